// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"k8s.io/utils/ptr"
)

// An observation is what a candidate knows of the Lease.
type observation struct {
	// known is false until the Lease, or its absence, was seen once.
	known bool
	// lease is nil when there is none. It is never written to.
	lease *coordinationv1.Lease
	// ours reports whether this very process holds it.
	ours bool
	// restored reports that this process wrote the record, and that another may have held the Lease
	// since, unseen: the record is not ours, and nobody else's either.
	restored bool
	// changed is when the holder was last seen to write. Edits by others are no sign of life.
	changed moment
	// guard is how long after changed the Lease must not be claimed, because its holder, or the
	// holder whose record was replaced, may still lead. It is 0 when the Lease is free.
	guard time.Duration
	// renewing reports whether the holder was seen to renew this record.
	renewing bool
	// left reports whether the last holder seen was this process.
	left bool
	// last is how the last term ended, while nobody holds the Lease; nil if that is not known.
	last *LastTerm
}

// claimableIn returns how much longer, as of m, the Lease must not be claimed.
func (o observation) claimableIn(m moment) time.Duration {
	if o.guard == 0 {
		return 0 // changed says nothing when nothing was seen
	}
	return max(0, o.guard-m.standbySince(o.changed))
}

// lapsesIn returns how much longer, as of m, the record of this process keeps the others waiting,
// whose LeaseDuration is own. It is 0 if the record is not of this process.
func (o observation) lapsesIn(m moment, own time.Duration) time.Duration {
	switch {
	case o.ours:
		return max(0, own-m.standbySince(o.changed))
	case o.restored:
		return o.claimableIn(m)
	}
	return 0
}

// after returns the observation that follows o when lease, or nil for none, is seen at m. ours
// reports whether this process wrote its record. own is the candidate's LeaseDuration.
func (o observation) after(lease *coordinationv1.Lease, ours bool, m moment, own time.Duration) observation {
	next := observation{known: true, lease: lease, ours: ours, changed: m, left: o.ours || o.left}
	same := o.same(lease)
	keep := func() observation {
		next.changed, next.guard, next.renewing = o.changed, o.guard, o.renewing
		return next
	}
	switch {
	case o.ours == ours && o.holds(lease):
		return keep()
	case ours:
		// Our own record can only be of a term that is over, since the caller is standing by. It
		// replaced the record before by compare-and-swap, when that had become claimable.
	case holder(lease) != "":
		next.left = false
		next.renewing = same && holder(o.lease) == holder(lease) && !o.ours && lease.Spec.RenewTime != nil
		// The record may have been put in the place of another, by an administrator or from a
		// backup, while the other's holder still leads.
		next.guard = max(guard(&lease.Spec, next.renewing, m, own), o.claimableIn(m))
	case o.known && (!same || holder(o.lease) == ""):
		// Gone, or a blank one in its place, or a blank one edited. The holder before may not
		// have noticed yet, so its time must pass all the same.
		return keep()
	}
	return next
}

// same reports whether the Lease is the one that was observed, and not another of its name.
func (o observation) same(lease *coordinationv1.Lease) bool {
	return o.known && o.lease != nil && lease != nil && o.lease.UID == lease.UID
}

// holds reports whether the Lease still has the record that was observed.
func (o observation) holds(lease *coordinationv1.Lease) bool {
	return o.same(lease) && sameWriting(&o.lease.Spec, &lease.Spec)
}

// sameWriting reports whether both specs are of the same write of a holder. Each write has a
// renewTime of its own. Whatever else differs was edited by somebody else.
func sameWriting(a, b *coordinationv1.LeaseSpec) bool {
	return a.RenewTime.Equal(b.RenewTime) && ptr.Deref(a.HolderIdentity, "") == ptr.Deref(b.HolderIdentity, "")
}

// view keeps the newest observation. Replies and watch events arrive in any
// order; a stale one is never believed.
type view struct {
	self author
	own  time.Duration // the candidate's LeaseDuration
	// recent is for how long after it was sent a write of ours keeps all others from claiming.
	recent time.Duration

	mu      sync.Mutex // guards all below
	obs     observation
	writes  []writing     // of ours that are the record, or may become it
	version string        // the newest resourceVersion seen
	seen    uint64        // how many observations were made
	changed chan struct{} // closed at the next observation
}

func newView(self author, own time.Duration) *view {
	return &view{self: self, own: own, changed: make(chan struct{})}
}

// get returns the newest observation and a channel that is closed when a newer
// one has been made.
func (v *view) get() (observation, <-chan struct{}) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.obs, v.changed
}

// mark returns a mark for sawRead. Take it before a read is sent.
func (v *view) mark() uint64 {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.seen
}

// saw takes in what an event of the watch or the reply to a write says: the
// Lease, or nil for none, at a resourceVersion. It reports whether that was
// news; what is older than the newest known is not.
func (v *view) saw(lease *coordinationv1.Lease, version string) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return !v.stale(version) && v.takeLocked(lease, version)
}

// sawRead takes in the reply to a read that was sent when mark was taken; lease
// is nil if there is none. A read that nothing overtook is believed even if its
// version is an old one: the server itself went back then, restored from a
// backup. sawRead reports whether it was news.
func (v *view) sawRead(lease *coordinationv1.Lease, mark uint64) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if overtaken := v.seen != mark; overtaken && (lease == nil || v.stale(lease.ResourceVersion)) {
		return false
	}
	if lease == nil {
		return v.takeLocked(nil, v.version)
	}
	return v.takeLocked(lease, lease.ResourceVersion)
}

// stale reports whether version is older than the newest known. Versions that
// cannot be compared are believed.
func (v *view) stale(version string) bool {
	order, err := resourceversion.CompareResourceVersion(version, v.version)
	return err == nil && order < 0
}

func (v *view) takeLocked(lease *coordinationv1.Lease, version string) (news bool) {
	if lease != nil {
		// A third of the Lease, and nobody reads it. The API server keeps its own
		// when an update comes without.
		lease.ManagedFields = nil
	}
	before, m := v.obs, now()
	ours, restored := v.recognizeLocked(lease)
	v.obs = before.after(lease, ours, m, v.own)
	v.obs.last = before.endSeen(lease, m)
	v.obs.restored = !ours && (restored || before.restored && before.holds(lease))
	v.version = version
	v.seen++
	if before.known && (lease == nil) == (before.lease == nil) &&
		(lease == nil || lease.ResourceVersion == before.lease.ResourceVersion) {
		return false
	}
	close(v.changed)
	v.changed = make(chan struct{})
	return true
}
