// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package lease

import (
	"crypto/rand"
	"slices"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
)

// maxWrites is how many writes of one process are remembered. It sends them one at a time, so more than one is only
// there when replies were lost.
const maxWrites = 16

// writing returns a new write of this process that is about to be sent in place of base, or to create the Lease if base
// is nil, and remembers it: its reply may be lost, and the watch shows that it landed.
func (v *View) writing(base *coordinationv1.Lease, acquired time.Time, sent Moment) writing {
	w := writing{renewTime: sent.Wall.Truncate(time.Microsecond), acquired: acquired, id: rand.Text()[:8], sent: sent}
	if base != nil {
		w.base = base.ResourceVersion
		if t := base.Spec.RenewTime; t != nil && t.Time.Equal(w.renewTime) {
			w.renewTime = w.renewTime.Add(time.Microsecond)
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	for slices.ContainsFunc(v.writes, func(other writing) bool { return other.renewTime.Equal(w.renewTime) }) {
		w.renewTime = w.renewTime.Add(time.Microsecond)
	}
	if len(v.writes) == maxWrites {
		// The oldest one that has not become the record. The record's own is needed for as long as it stands, however many
		// renewals of it have failed.
		oldest := slices.IndexFunc(v.writes, func(w writing) bool { return w.version == "" })
		oldest = max(oldest, 0)
		v.writes = slices.Delete(v.writes, oldest, oldest+1)
	}
	v.writes = append(v.writes, w)
	return w
}

// recognizeLocked reports whether the record of the Lease, which was just seen, is ours: this process wrote it, and
// none can have held the Lease since. If another can, the record is restored. It forgets the writes that can no longer
// be or become the record, so that an old copy of one, applied again later, is not taken for ours.
func (v *View) recognizeLocked(lease *coordinationv1.Lease) (ours, restored bool) {
	version := ""
	if lease != nil {
		version = lease.ResourceVersion
	}
	kept := v.writes[:0]
	for _, w := range v.writes {
		switch wrote := v.self.wrote(w, lease); {
		case wrote && v.unbroken(w, version):
			w.version, ours = version, true
		case wrote:
			restored = true
			continue
		case w.base != version:
			continue
		}
		kept = append(kept, w)
	}
	v.writes = kept
	return ours, restored
}

// unbroken reports whether the record of the write, seen at a version, has been there since it was written. At another
// version than before it may have been put back, after another holder's that was not seen. But none can have claimed
// the Lease while the write was recent.
func (v *View) unbroken(w writing, version string) bool {
	return w.version == "" || w.version == version || Now().LeaderSince(w.sent) < v.recent
}
