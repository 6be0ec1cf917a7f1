// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package shards

import (
	"slices"
	"strconv"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/utils/ptr"
)

// replica is what is known of one replica by its session's Lease.
type replica struct {
	lease   *coordinationv1.Lease // as last seen; kept when it has vanished
	visible bool                  // false once it has vanished
	current session               // acquired is 0 while it is released
	changed time.Time             // when the record was last seen to change
	alive   bool                  // the record was seen to change
	over    bool                  // the current session has ended for certain
	unfit   bool                  // it has left a shard alone that it should claim

	// doubted are sessions that were replaced in a way that does not show that they had ended, such as a deletion, and
	// until when they may last.
	doubted map[int64]time.Time
	past    []int64 // the latest sessions that have ended for certain
}

// saw takes in the replica's Lease as it is now, or nil if it has vanished. first says that it is seen in the first
// list, where anything may be long dead. gap says that changes before may not have been seen.
func (r *replica) saw(lease *coordinationv1.Lease, first, gap bool, own time.Duration, now time.Time) {
	if lease == nil {
		r.visible = false // not a sign of life
		return
	}
	before := r.lease
	r.lease, r.visible = lease, true
	if before != nil && sameRecord(before, lease) {
		return
	}
	next := session{lease: lease.Name}
	if holder(lease) != "" {
		next.acquired = micros(lease.Spec.AcquireTime)
	}
	if before != nil && next != r.current {
		switch last := r.current.acquired; {
		case last == 0:
		case r.over || succeeds(before, lease, gap):
			r.ended(last)
		default:
			since := r.changed
			if gap { // it may have been renewed
				since = now
			}
			r.doubt(last, since.Add(duration(before, own)), now)
		}
		r.over, r.unfit = false, false
	}
	r.current, r.changed, r.alive = next, now, !first
}

// ended notes a session that has ended for certain. Each shard may name another one.
func (r *replica) ended(acquired int64) {
	if !slices.Contains(r.past, acquired) {
		r.past = append(r.past, acquired)
		r.past = r.past[max(0, len(r.past)-MaxShards):]
	}
}

// doubt notes a session that may last until then.
func (r *replica) doubt(acquired int64, until, now time.Time) {
	for other, end := range r.doubted {
		if !end.After(now) {
			delete(r.doubted, other)
			r.ended(other)
		}
	}
	if r.doubted == nil {
		r.doubted = map[int64]time.Time{}
	}
	r.doubted[acquired] = until
}

// succeeds reports whether a session's Lease shows that the session before has ended: its holder has released it, or a
// claim has replaced it, which is made when it has lapsed. Administrators delete Leases, or blank only the holder. If
// that was not seen, the claim that came after it shows nothing.
func succeeds(before, lease *coordinationv1.Lease, gap bool) bool {
	if before.UID != lease.UID {
		return false
	}
	claims := ptr.Deref(lease.Spec.LeaseTransitions, 0) - ptr.Deref(before.Spec.LeaseTransitions, 0)
	if holder(lease) == "" {
		return ptr.Deref(lease.Spec.LeaseDurationSeconds, 0) == 1 && (claims == 0 || !gap)
	}
	return claims > 0 && !gap
}

// lapsesIn returns how long the current session must still be taken to last: 0 when it has not changed for its
// duration.
func (r *replica) lapsesIn(own time.Duration, now time.Time) time.Duration {
	return max(0, duration(r.lease, own)-now.Sub(r.changed))
}

// lasted returns for how long the current session has been renewed, on its holder's clock.
func (r *replica) lasted() time.Duration {
	return time.Duration(micros(r.lease.Spec.RenewTime)-r.current.acquired) * time.Microsecond
}

// complains reports whether the replica's Lease says that it gets too little, and the one seen before did not.
func (r *replica) complains(lease *coordinationv1.Lease) bool {
	return r.lease != nil && lease != nil && r.lease.Annotations[FitAnnotation] != lease.Annotations[FitAnnotation]
}

// held reports whether somebody holds the session, as far as is known.
func (r *replica) held() bool { return r.current.acquired != 0 && !r.over }

func (r *replica) leaving() bool {
	return r.lease.Annotations[LeavingAnnotation] == strconv.FormatInt(r.current.acquired, 10)
}

// member reports whether the replica takes part in a set of n shards.
func (r *replica) member(n int) bool {
	return r.held() && !r.unfit && !r.leaving() && count(r.lease) == n
}

// standing is all that matters about a replica but when it was renewed.
type standing struct {
	current                        session
	alive, leaving, visible, unfit bool
	count                          int
}

func (r *replica) standing() standing {
	if r.lease == nil {
		return standing{}
	}
	return standing{r.current, r.alive, r.leaving(), r.visible, r.unfit, count(r.lease)}
}
