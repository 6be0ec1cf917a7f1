// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package shards

import (
	"slices"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
)

// isOverLocked reports whether the session, which a shard's record names, has ended for certain. See slot.until.
func (v *view) isOverLocked(s session, until, now time.Time) bool {
	if s == (session{}) {
		return false
	}
	wait, confirm := v.overInLocked(s, until, now)
	return wait == 0 && !confirm
}

// overInLocked returns how long the session, which a shard's record names, must still be taken to last. When that is 0,
// confirm says that its Lease must be read first: the watch may have died silently.
func (v *view) overInLocked(s session, until, now time.Time) (wait time.Duration, confirm bool) {
	if v.ended[s] || v.buriedLocked(s) {
		return 0, false
	}
	r := v.replicas[s.lease]
	if r == nil {
		r = &replica{}
	}
	left := until.Sub(now)
	end, doubted := r.doubted[s.acquired]
	switch {
	case r.current.acquired == s.acquired && r.over, slices.Contains(r.past, s.acquired):
		return 0, false
	case r.current.acquired == s.acquired:
		left = r.lapsesIn(v.own, now)
	case doubted:
		return max(0, end.Sub(now)), false
	}
	// In all other cases it was never seen. It may have lost its labels, or have been deleted under a holder that has not
	// noticed yet.
	return max(0, left), left <= 0
}

// confirmed must be called when the session's Lease has been read after it had lapsed. If it still is as it was then,
// or there is none, the session is over for good. It returns the Lease that has lapsed, if there is one. Nothing else
// may be written over, since a renewal may be under way.
func (v *view) confirmed(s session) *coordinationv1.Lease {
	v.mu.Lock()
	defer v.mu.Unlock()
	now := time.Now()
	r := v.replicas[s.lease]
	if r == nil {
		r = &replica{}
		v.replicas[s.lease] = r
	}
	defer v.wake()
	if r.current.acquired != s.acquired {
		if _, doubted := r.doubted[s.acquired]; !doubted {
			r.ended(s.acquired)
		}
		return nil
	}
	if r.lapsesIn(v.own, now) > 0 {
		return nil
	}
	r.over = true
	return r.lease
}

// rank returns this replica's place among the members, so that they need not all do what one of them can do.
func (v *view) rank() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return max(0, slices.Index(v.members, v.self))
}
