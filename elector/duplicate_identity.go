// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"sync"

	"k8s.io/apimachinery/pkg/types"

	"github.com/kube-elector/elector/elector/internal/lease"
)

// duplicates finds out whether another process uses our Identity.
type duplicates struct {
	mu       sync.Mutex // guards all below
	uid      types.UID
	seen     string // the renewTime last seen on a record with our Identity that is not ours
	reported *lease.Moment
}

// found reports whether the Lease shows another process with our Identity. It does so once per reminder, for the log. A
// record that an earlier process of that name left does not change. One that changes has a living writer.
func (d *duplicates) found(obs lease.Observation, identity string) bool {
	if obs.Holder() != identity || obs.Ours || obs.Lease.Spec.RenewTime == nil {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	renewTime := obs.Lease.Spec.RenewTime.UTC().String()
	alive := d.uid == obs.Lease.UID && d.seen != "" && d.seen != renewTime
	d.uid, d.seen = obs.Lease.UID, renewTime
	m := lease.Now()
	if !alive || d.reported != nil && m.StandbySince(*d.reported) < reminder {
		return false
	}
	d.reported = &m
	return true
}
