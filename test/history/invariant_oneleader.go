// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package history

import (
	"cmp"
	"slices"
	"time"
)

// claim is a time in which a process thinks it leads.
type claim struct {
	span
	of   *process
	term *term // which may have begun earlier, if the process has been frozen meanwhile
}

// claimsOf returns the times in which processes think they lead, without the moment in which a thawed one wakes up.
func claimsOf(w *world, wake time.Duration) (claims []claim) {
	for _, p := range w.order {
		for _, t := range p.terms {
			for _, s := range p.running(t.valid(), wake) {
				claims = append(claims, claim{s, p, t})
			}
		}
	}
	slices.SortStableFunc(claims, func(a, b claim) int { return cmp.Compare(a.from, b.from) })
	return claims
}

// An overlap is a time with two leaders that must not be.
type overlap struct {
	span
	older, newer *process
}

// overlaps compares the terms, by their callbacks. It leaves out what nothing can prevent. A frozen process may seem to
// lead until it has woken up. A process whose record an administrator has removed may lead on for RenewDeadline, since
// it may be cut off while a candidate takes the Lease. A process that is not judged may go on after its own end, but
// must not take the Lease early.
func overlaps(w *world, l Limits) (found []overlap) {
	for _, pair := range overlapping(claimsOf(w, l.Wake)) {
		older, newer := pair[0], pair[1]
		if newer.term.elder(older.term) {
			older, newer = newer, older
		}
		common := older.overlap(newer.span)
		if older.of.judged(l) && common.to-common.from > l.Tolerance && !removedByHand(w, l, older.of.name, common, l.RenewDeadline) {
			found = append(found, overlap{common, older.of, newer.of})
		}
	}
	return found
}

// oneLeader looks at the terms, and at what IsLeader said in those of others.
func oneLeader(w *world, l Limits) (found []Violation) {
	for _, o := range overlaps(w, l) {
		found = append(found, violation(o.from, o.newer.name, "leads for %v beside %s", o.to-o.from, o.older.name))
	}
	claims := claimsOf(w, l.Wake)
	for _, p := range w.order {
		for _, at := range p.leads {
			for _, c := range claims {
				if c.of == p || at <= c.from+l.Tolerance || at >= c.to-l.Tolerance || !p.awake(at, l) {
					continue
				}
				if older := p.elder(c, at+l.Tolerance); older.judged(l) && !removedByHand(w, l, older.name, span{at, at}, l.RenewDeadline) {
					found = append(found, violation(at, p.name, "says it leads in the term of %s", c.of.name))
				}
			}
		}
	}
	return found
}

// elder returns p, which says at the given time that it leads, or c's process, whichever began to lead first. A process
// that says so without a term is to blame itself, whatever terms it has later.
func (p *process) elder(c claim, at time.Duration) *process {
	for _, t := range p.terms {
		if c.term.elder(t) && t.started <= at {
			return c.of
		}
	}
	return p
}

// overlapping returns the pairs of claims of different processes that have time in common. The claims are in the order
// of their beginnings.
func overlapping(claims []claim) (pairs [][2]claim) {
	var open []claim
	for _, c := range claims {
		open = slices.DeleteFunc(open, func(o claim) bool { return o.to <= c.from })
		for _, o := range open {
			if o.of != c.of {
				pairs = append(pairs, [2]claim{o, c})
			}
		}
		open = append(open, c)
	}
	return pairs
}

// removedByHand reports whether an administrator, or a process that is not judged and did not wait, took the Lease from
// the process or shortened its duration, less than limit before the end of the time in question.
func removedByHand(w *world, l Limits, process string, s span, limit time.Duration) bool {
	author, since := "", time.Duration(0)
	for _, e := range w.history {
		if e.At > s.from {
			return false
		}
		shortened := e.Kind == LeaseWrite && e.Replica == "" && deref(e.After).Seconds < deref(e.Before).Seconds
		if e.Kind != LeaseWrite || !e.changesHolder() && !shortened {
			continue
		}
		early := e.Replica == "" || e.At < since+deref(e.Before).duration()
		if author == process && e.Replica != process && early && !w.processes[e.Replica].judged(l) && s.to <= e.At+limit {
			return true
		}
		since = e.At
		if e.changesHolder() {
			author = e.Replica
		}
	}
	return false
}
