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

func (r Record) duration() time.Duration { return time.Duration(r.Seconds) * time.Second }

// changesRecord reports whether the write is about the election, and not about a label or an annotation.
func (e Event) changesRecord() bool {
	before, after := deref(e.Before), deref(e.After)
	before.Version, after.Version = "", ""
	return before != after
}

// changesHolder reports whether the record is another's afterwards. No two writers have a renewTime in common.
func (e Event) changesHolder() bool {
	before, after := deref(e.Before), deref(e.After)
	return before.UID != after.UID || before.Holder != after.Holder || before.Renewed != after.Renewed
}

func deref(r *Record) Record {
	if r == nil {
		return Record{}
	}
	return *r
}

// endsInTime counts from when a write was accepted, which is later than when it was sent. It is therefore a little less
// strict than the promise, except where replies are slow, where it finds a process that counts from the reply. A write
// that comes too late revives nothing.
func endsInTime(w *world, l Limits) (found []Violation) {
	for _, t := range w.terms(l) {
		for _, s := range t.of.running(span{t.started, min(t.valid().to, w.end)}, l.Wake) {
			if over := firstGap(w.writes[t.of.name], s, t.started, l.RenewDeadline+l.Tolerance); !over.empty() {
				found = append(found, violation(over.from, t.of.name, "its term goes on for %v", over.to-over.from))
				break
			}
		}
	}
	for _, p := range w.order {
		for _, at := range p.leads {
			last := lastBefore(w.writes[p.name], at, 0)
			if _, ok := w.writes[p.name]; p.judged(l) && ok && p.awake(at, l) && at > last+l.RenewDeadline+l.Tolerance {
				found = append(found, violation(at, p.name, "says it leads %v after its last accepted write", at-last))
			}
		}
	}
	return found
}

// firstGap returns the first time in s that is longer than limit after the last of the times. It counts started as one
// of them.
func firstGap(times []time.Duration, s span, started, limit time.Duration) span {
	for last := lastBefore(times, s.from, started); ; {
		i, _ := slices.BinarySearch(times, last+1)
		next := s.to
		if i < len(times) {
			next = min(next, times[i])
		}
		if over := (span{max(s.from, last+limit), next}); !over.empty() {
			return over
		}
		if next == s.to {
			return span{}
		}
		last = next
	}
}

// lastBefore returns the last of the times up to at, or otherwise.
func lastBefore(times []time.Duration, at, otherwise time.Duration) time.Duration {
	i, exact := slices.BinarySearch(times, at)
	switch {
	case exact:
		return at
	case i > 0:
		return times[i-1]
	}
	return otherwise
}

// endsOnNotice judges processes that have had no fault for a while, so that their watches work.
func endsOnNotice(w *world, l Limits) (found []Violation) {
	terms := w.terms(l)
	for _, e := range w.history {
		if e.Kind != LeaseWrite || !e.changesHolder() {
			continue
		}
		for _, t := range terms {
			if t.of.name == e.Replica || t.started+l.Settle > e.At || t.valid().to <= e.At+l.Notice+l.Tolerance || e.At+l.Notice > w.end {
				continue
			}
			if !t.of.signed(w.history, e) && !anyOverlaps(w.faults(l, t.of.name, true), span{e.At, e.At + l.Notice}) {
				found = append(found, violation(e.At+l.Notice, t.of.name, "goes on though %q has written %v", e.Replica, e.After))
			}
		}
	}
	return found
}

// signed reports whether the record that an administrator has written is an old one of the process, whose term may go
// on then.
func (p *process) signed(h History, e Event) bool {
	return slices.ContainsFunc(h, func(old Event) bool {
		return e.Replica == "" && old.Kind == LeaseWrite && old.Replica == p.name && e.After != nil && old.After != nil &&
			old.After.Holder == e.After.Holder && old.After.Renewed == e.After.Renewed
	})
}

// kept judges times without faults, or with harmless ones only, in which no leader may lose its term. It also judges
// terms that were reported as lost to another process though they never were.
func kept(w *world, l Limits) (found []Violation) {
	troubled := w.faults(l, "", false)
	for _, t := range w.terms(l) {
		if t.cancelled == never || t.voluntary() || t.over < t.cancelled {
			continue
		}
		if !anyOverlaps(troubled, span{t.cancelled - 1, t.cancelled + 1}) {
			found = append(found, violation(t.cancelled, t.of.name, "lost its term, though all was well: %s", t.cause))
		} else if (t.cause == CauseTakenOver || t.cause == CauseDeleted) && t.undisputed(w.history) && !w.lied(l, t.of.name, t.cancelled) {
			found = append(found, violation(t.cancelled, t.of.name, "lost its term, though it held the Lease: %s", t.cause))
		}
	}
	return found
}

// lied reports whether the API server told the process at the given time, or shortly before, that there was no Lease.
func (w *world) lied(l Limits, process string, at time.Duration) bool {
	return anyOverlaps(faults(w.lies, l, process, true), span{at, at + 1})
}

// undisputed says whether nobody else has written to the Lease from the write that acquired it to the end of the term.
func (t *term) undisputed(h History) bool {
	acquired := false
	from := 0
	if t.acquired >= 0 && deref(h[t.acquired].After).Version == t.token {
		from = t.acquired
	}
	for _, e := range h[from:] {
		if e.At > t.cancelled {
			break
		}
		if e.Kind != LeaseWrite {
			continue
		}
		if acquired && e.Replica != t.of.name && e.changesHolder() {
			return false
		}
		acquired = acquired || e.Replica == t.of.name && t.token != "" && deref(e.After).Version == t.token
	}
	return acquired
}
