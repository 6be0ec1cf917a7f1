// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package shards

import (
	"slices"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
)

// grasp is what a replica has to do with a shard.
type grasp int

const (
	apart  grasp = iota // nothing
	active              // its work runs
	ending              // its work is ending
	asking              // its Lease is being released, or a request about its Lease is under way, or was just refused
)

// self is what decide must know of its replica.
type self struct {
	session session
	grasp   func(shard int, seen *coordinationv1.Lease) grasp
	// claimed returns the record by which the replica holds a shard.
	claimed func(shard int) *coordinationv1.Lease
	arrived time.Time // when its session was first seen
	settle  time.Duration
	rest    time.Duration // how long lapsed sessions are left alone after arrived
	leaving bool
}

// decision is what a replica should do now, as far as it knows.
type decision struct {
	claim   []claim
	give    []int
	vanish  []int         // shards that are held, but whose Leases the watch does not show
	lost    []int         // shards that are held, but whose Leases say otherwise
	tidy    []int         // shards that name this session, but are not held
	confirm []session     // sessions that seem to have lapsed, or whose end others must be told
	owed    []int         // shards that others have long kept, and this replica should have
	next    time.Duration // when to decide again, if nothing changes; 0: never
}

// claim is a shard to claim, by replacing what was seen.
type claim struct {
	shard int
	base  *coordinationv1.Lease // nil: there is none
	cause string
	free  time.Time // since when nobody has held it, zero if that was not seen
	at    time.Time // when that was decided
}

// decide returns what to do.
func (v *view) decide(me self, now time.Time) decision {
	v.mu.Lock()
	defer v.mu.Unlock()
	d := decision{}
	v.confirmLocked(me, &d, now)
	names, target := v.targetsLocked(me)
	for i := range v.n {
		s := v.slots[i]
		want := ""
		if m := target[i]; m != nobody {
			want = names[m]
		}
		switch grasp := me.grasp(i, s.lease); grasp {
		case active, ending:
			v.keepLocked(me, &d, i, grasp == active && want != v.self && v.canClaimLocked(want, now))
		case apart:
			wait, cause := v.claimableLocked(me, s, now)
			mine := s.owner == me.session
			if v.owedLocked(s, wait > 0 && want == v.self, now) {
				d.owed = append(d.owed, i)
			}
			v.watchFreeLocked(s, wait == 0 && !mine, want, &d, now)
			switch {
			case want == v.self && !me.leaving:
				if mine { // the reply to a claim was lost, or somebody has put an old record back
					wait = s.guarded(now)
				} else {
					wait = max(wait, v.restLocked(me, s, cause, now))
				}
				if wait == 0 {
					d.claim = append(d.claim, claim{i, s.lease, cause, s.free, now})
				} else {
					d.after(wait)
				}
			case mine && s.guarded(now) == 0:
				d.tidy = append(d.tidy, i)
			case wait > 0:
				d.after(wait)
			}
		}
	}
	return d
}

// keepLocked looks after a shard whose work runs. give says that another replica should have it.
func (v *view) keepLocked(me self, d *decision, i int, give bool) {
	s := v.slots[i]
	s.free, s.want = time.Time{}, ""
	switch {
	case s.lease != nil && !sameRecord(s.lease, me.claimed(i)):
		d.lost = append(d.lost, i)
	case !v.names.visible(s.lease):
		d.vanish = append(d.vanish, i)
	case give:
		d.give = append(d.give, i)
	}
}

// canClaimLocked reports whether a member may still claim what it is given. One that has not renewed its session for
// long cannot, and other replicas may have noticed a little earlier that it has lapsed.
func (v *view) canClaimLocked(member string, now time.Time) bool {
	r := v.replicas[member]
	return r == nil || r.lapsesIn(v.own, now) > v.own/10
}

// claimableLocked returns how long a shard must still be left alone, and what
// became of its last holder.
func (v *view) claimableLocked(me self, s *slot, now time.Time) (wait time.Duration, cause string) {
	wait = s.guarded(now)
	switch {
	case s.lease == nil:
		return wait, causeNew
	case released(s.lease):
		return wait, causeGiven
	case s.owner == session{}:
		return wait, causeEdited
	}
	left, confirm := v.overInLocked(s.owner, s.until(v.own), now)
	if confirm {
		left = max(left, me.settle) // confirmLocked has asked for it
	}
	switch cause = causeLapsed; {
	case v.ended[s.owner]:
		cause = causeResumed
	case v.crashedLocked(s.owner):
		cause = causeCrashed
	}
	return max(wait, left), cause
}

// restLocked returns how long a replica whose session is new must still wait, so
// that others whose sessions are new, too, get their share at once.
func (v *view) restLocked(me self, s *slot, cause string, now time.Time) time.Duration {
	switch {
	case s.owner.lease == v.self:
		return 0 // it was this replica's before
	case cause == causeLapsed:
		return max(0, me.rest-now.Sub(me.arrived))
	case s.changed.After(me.arrived):
		return 0 // given to this replica, among others
	}
	return max(0, me.settle-now.Sub(me.arrived))
}

// watchFreeLocked notes since when nobody has had a shard. A replica that leaves
// it alone for long, though it should claim it, is not counted as a member any
// more: it may not be able to.
func (v *view) watchFreeLocked(s *slot, free bool, want string, d *decision, now time.Time) {
	if !free {
		s.free, s.want = time.Time{}, ""
		return
	}
	if s.free.IsZero() {
		s.free = now
	}
	if s.want != want {
		s.want, s.wantSince = want, now
	}
	left := v.own - now.Sub(s.wantSince)
	switch r := v.replicas[want]; {
	case want == "" || want == v.self:
	case left <= 0:
		r.unfit = true
		d.after(time.Millisecond)
	default:
		d.after(left)
	}
}

// owedLocked reports whether this replica should long have had a shard that another
// one keeps. The others may take it for one that leaves shards alone.
func (v *view) owedLocked(s *slot, owed bool, now time.Time) bool {
	switch {
	case !owed:
		s.owed = time.Time{}
	case s.owed.IsZero():
		s.owed = now
	}
	return owed && now.Sub(s.owed) > 2*v.own
}

// confirmLocked asks for confirmation of the sessions that have not changed for
// their duration, and again for those whose Leases still name their holders.
func (v *view) confirmLocked(me self, d *decision, now time.Time) {
	for name, r := range v.replicas {
		if r.current.acquired == 0 || !r.visible && r.over || name == v.self && r.current == me.session {
			continue
		}
		if left := r.lapsesIn(v.own, now); left > 0 {
			d.after(left)
		} else {
			d.confirm = append(d.confirm, r.current)
		}
	}
	for _, s := range v.slots {
		if (s.owner == session{}) || s.owner == me.session || s.notBefore.After(now) {
			continue
		}
		if _, confirm := v.overInLocked(s.owner, s.until(v.own), now); confirm && !slices.Contains(d.confirm, s.owner) {
			d.confirm = append(d.confirm, s.owner)
		}
	}
}

// targetsLocked returns the members' names and which of them should have each shard.
func (v *view) targetsLocked(me self) (members []string, target []int) {
	for name, r := range v.replicas {
		if r.member(v.n) && !(name == v.self && (me.leaving || r.current != me.session)) {
			members = append(members, name)
		}
	}
	slices.Sort(members)
	if v.order == nil || !slices.Equal(members, v.members) {
		seeds := make([]uint64, len(members))
		for m, name := range members {
			seeds[m] = hash(name)
		}
		v.members, v.order = members, newOrder(v.n, seeds)
	}
	at := map[string]int{}
	for m, name := range members {
		at[name] = m
	}
	holders := make([]int, v.n)
	for i := range holders {
		holders[i] = nobody
		if m, ok := at[v.slots[i].owner.lease]; ok {
			holders[i] = m
		}
	}
	return members, v.order.assign(holders)
}

func (d *decision) after(wait time.Duration) {
	if d.next == 0 || wait < d.next {
		d.next = max(wait, time.Millisecond)
	}
}
