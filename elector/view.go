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

// observation is what a candidate knows of the Lease.
type observation struct {
	// known is false until the Lease, or its absence, was seen once.
	known bool
	// lease is nil when there is none. It is never written to.
	lease *coordinationv1.Lease
	// ours is whether this very process holds it.
	ours bool
	// changed is when the election's record was last seen to change. Edits of
	// labels and annotations are no sign of life.
	changed moment
	// guard is how long after changed the Lease is left alone, because its
	// holder may still lead: 0 when it is free.
	guard time.Duration
}

// claimableIn is how long the Lease must still be left alone at m.
func (o observation) claimableIn(m moment) time.Duration {
	return max(0, o.guard-m.standbySince(o.changed))
}

// after is the observation that follows o when lease, or nil for none, is seen
// at m by the candidate self, whose LeaseDuration is own.
func (o observation) after(lease *coordinationv1.Lease, m moment, self author, own time.Duration) observation {
	next := observation{known: true, lease: lease, ours: self.holds(lease), changed: m}
	same := o.known && o.lease != nil && lease != nil && o.lease.UID == lease.UID
	switch {
	case same && sameRecord(&o.lease.Spec, &lease.Spec) && o.ours == next.ours:
		next.changed, next.guard = o.changed, o.guard
	case holder(lease) != "":
		// Our own record can only be of a term that is over: whoever asks is
		// standing by.
		if !next.ours {
			next.guard = guard(lease.Spec.LeaseDurationSeconds, own)
		}
	case o.known && !same:
		// Gone, or a blank one in its place. Whoever held it may not have
		// noticed yet, so its time must pass all the same.
		next.changed, next.guard = o.changed, o.guard
	}
	return next
}

// sameRecord reports whether the election's record, which is all of the spec,
// is the same in both. A renewal, which is most of what is ever seen, shows at a
// glance.
func sameRecord(a, b *coordinationv1.LeaseSpec) bool {
	return a.RenewTime.Equal(b.RenewTime) && a.AcquireTime.Equal(b.AcquireTime) &&
		ptr.Equal(a.HolderIdentity, b.HolderIdentity) && ptr.Equal(a.LeaseDurationSeconds, b.LeaseDurationSeconds) &&
		ptr.Equal(a.LeaseTransitions, b.LeaseTransitions) &&
		ptr.Equal(a.Strategy, b.Strategy) && ptr.Equal(a.PreferredHolder, b.PreferredHolder)
}

// view keeps the newest observation. Replies and watch events arrive in any
// order; a stale one is never believed.
type view struct {
	self author
	own  time.Duration // the candidate's LeaseDuration

	mu      sync.Mutex // guards all below
	obs     observation
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

// mark is taken before a read is sent, for sawRead.
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
	before := v.obs
	v.obs = before.after(lease, now(), v.self, v.own)
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
