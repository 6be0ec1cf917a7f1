// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package lease

import (
	"crypto/rand"
	"errors"
	"slices"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// maxWrites is how many writes of one process are remembered. It sends them one at a time, so more than one is only
// there when replies were lost.
const maxWrites = 16

// writing returns a new write of this process that is about to be sent in place of base, or to create the Lease if base
// is nil, and remembers it: its reply may be lost, and the watch shows that it landed.
func (v *View) writing(base *coordinationv1.Lease, acquired time.Time, sent Moment) writing {
	w := writing{renewTime: sent.Wall.Truncate(time.Microsecond), acquired: acquired, id: rand.Text()[:8], sent: sent, open: sent.Mono + v.recent}
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

// Fate returns what became of a write that failed with err: whether it may have been carried out, and whether it may be
// from now on.
func Fate(err error) (did, may bool) {
	var status apierrors.APIStatus
	if !errors.As(err, &status) || apierrors.IsTimeout(err) || apierrors.IsServerTimeout(err) {
		return true, true
	}
	// A proxy may have sent it twice, and then the second one meets the first one's version.
	lost := apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err)
	code := status.Status().Code
	return lost || code < 400 || code >= 500, false
}

// failed takes in that the write has failed with err.
func (v *View) failed(w writing, err error) {
	did, may := Fate(err)
	if may {
		return
	}
	m := Now()
	v.mu.Lock()
	defer v.mu.Unlock()
	if did && (apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err)) && w.base == v.obs.Version() {
		v.overtaken = &m
	}
	for i := range v.writes {
		if other := &v.writes[i]; other.id == w.id {
			other.open, other.settled = m.Mono, !did
		}
	}
}

// readLocked takes in that a read has brought what was newest, which was sent at a moment. What could be carried out
// only before that has not been, or was seen.
func (v *View) readLocked(sent Moment) {
	for i := range v.writes {
		if w := &v.writes[i]; w.open < sent.Mono {
			w.settled = true
		}
	}
}

// unseenLocked returns until when, by the monotonic clock, a write of ours in place of what was last seen may have been
// carried out unseen. It is nil if none can have been.
func (v *View) unseenLocked() (until *time.Duration) {
	for _, w := range v.writes {
		if w.version == "" && !w.settled && w.base == v.obs.Version() && (until == nil || w.open > *until) {
			until = &w.open
		}
	}
	return until
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
		case wrote && !w.overtaken && v.unbroken(w, version):
			w.version, ours = version, true
		case wrote:
			restored = true
			continue
		case w.base == version:
		case w.base == "" && w.version == "" && !w.settled && Now().Mono < w.open:
			w.overtaken = true // There may be no Lease again when it is carried out.
		default:
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
