// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package shards

import (
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
)

// slot is what is known of one shard by its Lease.
type slot struct {
	lease     *coordinationv1.Lease // nil if there is none
	owner     session               // the session that the record names, if any
	changed   time.Time             // when the record was last seen to change
	notBefore time.Time             // the shard must not be claimed before, whatever the Lease says

	// Since when nobody has had it, zero while somebody has; who should have
	// claimed it, and since when.
	free      time.Time
	want      string
	wantSince time.Time
	// Since when this replica should have it, but another one keeps it.
	owed time.Time
}

// until returns until when the session that the record names must be taken to last, if nothing else is known of it. The
// holder may have another LeaseDuration.
func (s *slot) until(own time.Duration) time.Time {
	if s.lease != nil {
		own = max(own, duration(s.lease, own))
	}
	return s.changed.Add(own)
}

// guarded returns how long the shard must still be left alone, whatever its Lease says.
func (s *slot) guarded(now time.Time) time.Duration { return max(0, s.notBefore.Sub(now)) }

// sawSlotLocked takes in the Lease of a shard, nil if there is none.
func (v *view) sawSlotLocked(s *slot, lease *coordinationv1.Lease, now time.Time) {
	before, last, until := s.lease, s.owner, s.until(v.own)
	s.lease = lease
	if before != nil && lease != nil && sameRecord(before, lease) {
		return
	}
	free := before == nil || released(before) || v.isOverLocked(last, until, now)
	s.owner, s.changed = v.names.owner(lease), now
	if r := v.replicas[s.owner.lease]; r != nil {
		r.unfit = false // it does claim
	}
	guard := v.own
	for _, l := range []*coordinationv1.Lease{before, lease} {
		if l != nil {
			guard = max(guard, duration(l, v.own))
		}
	}
	replaced := before != nil && (lease == nil || lease.UID != before.UID)
	switch {
	case lease != nil && released(lease) && !replaced:
		s.notBefore = time.Time{}
	case replaced, lease != nil && !released(lease) && s.owner == session{}, !free:
		// Somebody has deleted or edited the record of a holder, who may not have
		// noticed yet. It may be a later holder than the last one seen.
		s.notBefore = later(s.notBefore, now.Add(guard))
	}
}
