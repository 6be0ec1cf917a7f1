// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"sync"

	"k8s.io/apimachinery/pkg/types"
)

// identityGuard finds out whether another process uses our Identity.
type identityGuard struct {
	mu       sync.Mutex // guards all below
	uid      types.UID
	seen     string // the renewTime last seen on a record with our Identity that is not ours
	reported *moment
}

// duplicate logs that the Lease shows another process with our identity, at most once per reminder.
// A record that an earlier process of that name left does not change. One that changes has a living
// writer.
func (g *identityGuard) duplicate(obs observation, self author) bool {
	lease := obs.lease
	if holder(lease) != self.identity || obs.ours || lease.Spec.RenewTime == nil {
		return false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	renewed := lease.Spec.RenewTime.UTC().String()
	alive := g.uid == lease.UID && g.seen != "" && g.seen != renewed
	g.uid, g.seen = lease.UID, renewed
	if !alive || g.reported != nil && now().standbySince(*g.reported) < reminder {
		return false
	}
	m := now()
	g.reported = &m
	return true
}
