// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"crypto/rand"
	"slices"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
)

// maxWrites is how many writes of one process are remembered. It sends them one at a time, so more
// than one is only there when replies were lost.
const maxWrites = 16

// writing returns a new write of this process that is about to be sent in place of base, or to
// create the Lease if base is nil, and remembers it: its reply may be lost, and the watch shows
// that it landed.
func (v *view) writing(base *coordinationv1.Lease, sent moment) writing {
	w := writing{renewed: sent.wall.Truncate(time.Microsecond), id: rand.Text()[:8]}
	if base != nil {
		w.base = base.ResourceVersion
		if t := base.Spec.RenewTime; t != nil && t.Time.Equal(w.renewed) {
			w.renewed = w.renewed.Add(time.Microsecond)
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	for slices.ContainsFunc(v.writes, func(other writing) bool { return other.renewed.Equal(w.renewed) }) {
		w.renewed = w.renewed.Add(time.Microsecond)
	}
	v.writes = append(v.writes, w)
	v.writes = v.writes[max(0, len(v.writes)-maxWrites):]
	return w
}

// recognizeLocked reports whether this process wrote the record of the Lease, which was just seen.
// It forgets the writes that can no longer be or become the record, so that an old copy of one,
// applied again later, is not taken for ours.
func (v *view) recognizeLocked(lease *coordinationv1.Lease) (ours bool) {
	version := ""
	if lease != nil {
		version = lease.ResourceVersion
	}
	v.writes = slices.DeleteFunc(v.writes, func(w writing) bool {
		if v.self.wrote(w, lease) {
			ours = true
			return false
		}
		return w.base != version
	})
	return ours
}
