// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package lease

import (
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/apimachinery/pkg/util/resourceversion"
)

// A View keeps the newest observation. Replies and watch events arrive in any order; a stale one is never believed.
type View struct {
	self  Author
	rules rules
	// recent is for how long after it was sent a write of ours keeps all others from claiming.
	recent time.Duration
	note   func(before Observation, lease *coordinationv1.Lease, m Moment) any

	mu      sync.Mutex // guards all below
	obs     Observation
	writes  []writing // of ours that are the record, or may become it
	version string    // the newest resourceVersion seen
	// overtaken is when an answer told of a newer record than the one seen. It is nil if none has.
	overtaken *Moment
	seen      uint64        // how many observations were made
	changed   chan struct{} // closed at the next observation
}

func newView(c Config) *View {
	return &View{
		self:    c.Self,
		rules:   rules{own: c.LeaseDuration, longest: c.Longest, process: c.Process, signature: c.Self.Annotation},
		recent:  c.RenewDeadline,
		note:    c.Note,
		changed: make(chan struct{}),
	}
}

// Get returns the newest observation and a channel that is closed when a newer one has been made.
func (v *View) Get() (Observation, <-chan struct{}) {
	v.mu.Lock()
	defer v.mu.Unlock()
	obs := v.obs
	obs.unseen = v.unseenLocked()
	return obs, v.changed
}

// A mark is the moment at which a read is sent, and how many observations there had been.
type mark struct {
	seen uint64
	sent Moment
}

// mark returns a mark for sawRead. Take it before a read is sent.
func (v *View) mark() mark {
	v.mu.Lock()
	defer v.mu.Unlock()
	return mark{v.seen, Now()}
}

// Saw takes in what an event of the watch or the reply to a write says: the Lease, or nil for none, at a
// resourceVersion. It reports whether that was news; what is older than the newest known is not.
func (v *View) Saw(lease *coordinationv1.Lease, version string) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return !v.stale(version) && v.takeLocked(lease, version)
}

// sawRead takes in the reply to a read that was sent when mark was taken; lease is nil if there is none. A read that
// nothing overtook is believed even if its version is an old one: the server itself went back then, restored from a
// backup. sawRead reports whether it was news.
func (v *View) sawRead(lease *coordinationv1.Lease, mark mark) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if overtaken := v.seen != mark.seen; overtaken && (lease == nil || v.stale(lease.ResourceVersion)) {
		return false
	}
	v.readLocked(mark.sent)
	if lease == nil {
		return v.takeLocked(nil, v.version)
	}
	return v.takeLocked(lease, lease.ResourceVersion)
}

// stale reports whether version is older than the newest known. Versions that cannot be compared are believed.
func (v *View) stale(version string) bool {
	order, err := resourceversion.CompareResourceVersion(version, v.version)
	return err == nil && order < 0
}

func (v *View) takeLocked(lease *coordinationv1.Lease, version string) (news bool) {
	if lease != nil {
		// A third of the Lease, and nobody reads it. The API server keeps its own when an update comes without.
		lease.ManagedFields = nil
	}
	before, m := v.obs, Now()
	ours, restored := v.recognizeLocked(lease)
	v.obs = before.after(lease, ours, m, v.rules)
	unseen := lease == nil && v.overtaken != nil
	if unseen {
		// There was a record, and its holder may not have noticed that it is gone. That is not news, since no watch shows it
		// any more.
		v.obs.Changed, v.obs.Validity = *v.overtaken, max(v.rules.own, v.obs.ClaimableIn(*v.overtaken))
	}
	if v.obs.Version() != before.Version() || unseen {
		v.overtaken = nil
	}
	v.obs.Note = v.note(before, lease, m)
	v.obs.Restored = !ours && (restored || before.Restored && before.holds(lease))
	v.version = version
	v.seen++
	if before.Known && (lease == nil) == (before.Lease == nil) &&
		(lease == nil || lease.ResourceVersion == before.Lease.ResourceVersion) {
		return false
	}
	v.tellLocked()
	return true
}
