// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package history

import (
	"slices"
	"time"
)

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
