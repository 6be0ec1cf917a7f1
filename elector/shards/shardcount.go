// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package shards

import (
	"fmt"
	"time"
)

// rivalry is what is known of replicas with another number of shards.
type rivalry struct {
	alive   bool // one is running
	none    bool // none is left that this replica must wait for
	confirm []session
	next    time.Duration // when to look again
}

// compete notes all replicas with another number of shards, before this one has a
// session.
func (v *view) compete() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.arrivedLocked()
}

// rivalry looks after the replicas noted: those whose sessions were claimed before
// this one's. Those that came later see this one, and refuse.
func (v *view) rivalry(now time.Time) rivalry {
	v.mu.Lock()
	defer v.mu.Unlock()
	result := rivalry{next: v.own, none: true}
	for name, s := range v.rivals {
		r := v.replicas[name]
		left := r.lapsesIn(v.own, now)
		switch {
		case r.current != s || !r.held() || count(r.lease) == v.n:
			delete(v.rivals, name)
		case r.alive && left > 0 && count(r.lease) != 0:
			result.alive, result.none, result.next = true, false, min(result.next, left)
		default:
			result.wait(s, left)
		}
	}
	for _, slot := range v.slots {
		if slot.lease != nil && count(slot.lease) != v.n && count(slot.lease) != 0 && slot.owner.lease != "" {
			if _, known := v.rivals[slot.owner.lease]; known {
				continue
			}
			if left, confirm := v.overInLocked(slot.owner, slot.until(v.own), now); left > 0 || confirm {
				result.wait(slot.owner, left)
			}
		}
	}
	return result
}

// wait notes that a session may last for left.
func (r *rivalry) wait(s session, left time.Duration) {
	r.none = false
	if left == 0 {
		r.confirm = append(r.confirm, s)
		return
	}
	r.next = min(r.next, left)
}

// countError returns ErrCount with the numbers.
func (s *Shards) countError() error {
	return fmt.Errorf("%w: they have %d, this one has %d", ErrCount, s.view.rivalCount(), s.n)
}

// rivalCount returns the number of shards of a replica that is known to have another.
func (v *view) rivalCount() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	n := 0
	for name := range v.rivals {
		n = max(n, count(v.replicas[name].lease))
	}
	return n
}

// refuse notes whether replicas with another number of shards keep this one out.
func (s *Shards) refuse(refused bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refused = refused
}
