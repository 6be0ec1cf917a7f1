// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package history

import (
	"cmp"
	"slices"
	"time"
)

// union makes spans that have nothing in common, in order.
func union(spans []span) (all []span) {
	spans = slices.Clone(spans)
	slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.from, b.from) })
	for _, s := range spans {
		if last := len(all) - 1; last >= 0 && s.from <= all[last].to {
			all[last].to = max(all[last].to, s.to)
		} else {
			all = append(all, s)
		}
	}
	return all
}

// gaps returns what the spans leave of s.
func gaps(spans []span, s span) (all []span) {
	for _, one := range union(spans) {
		if gap := s.overlap(span{s.from, one.from}); !gap.empty() {
			all = append(all, gap)
		}
		s.from = max(s.from, one.to)
	}
	if !s.empty() {
		all = append(all, s)
	}
	return all
}

// progress judges times without faults in which a judged process is there. What a fault left behind may have to lapse
// first, even a duration that an administrator has written.
func progress(w *world, l Limits) (found []Violation) {
	var led []span
	for _, p := range w.order {
		for _, t := range p.terms {
			led = append(led, span{t.started, t.over})
		}
	}
	for _, quiet := range gaps(w.faults(l, "", true), span{0, w.end}) {
		if !slices.ContainsFunc(w.order, func(p *process) bool {
			return p.judged(l) && p.alive.overlap(quiet) == quiet
		}) {
			continue
		}
		from := max(quiet.from+l.Takeover+longest(w.history, l, quiet.from), w.termsFollow(l, quiet.from)+l.Takeover)
		for _, gap := range gaps(led, span{from, quiet.to}) {
			if gap.to-gap.from > l.Tolerance {
				found = append(found, violation(gap.from, "", "nobody leads for %v, though all has been well for %v",
					gap.to-gap.from, gap.from-quiet.from))
			}
		}
	}
	return found
}

// termsFollow returns until when candidates may hold back at the given time, because their terms have ended at once,
// again and again, by a lasting edit or by faults of three kinds.
func (w *world) termsFollow(l Limits, at time.Duration) (until time.Duration) {
	for _, e := range w.history {
		if e.Kind == FaultEnded && e.Cause == LastingEdit && e.At <= at {
			until = e.At + l.BetweenTerms
		}
	}
	for _, p := range w.order {
		held := never // until when it may hold back after a term; one that begins soon after that counts, too
		for i := 2; i < len(p.terms); i++ {
			first, second, third := p.terms[i-2], p.terms[i-1], p.terms[i]
			if third.started > at {
				break
			}
			inARow := third.started-first.over < l.BetweenTerms && !first.voluntary() && !second.voluntary()
			if again := held != never && third.started-held < l.BetweenTerms; !third.voluntary() && (inARow || again) {
				held = third.started + l.BetweenTerms
				until = max(until, held)
			}
		}
	}
	return until
}

// maxRenewed is the longest that the duration of a record is waited for that its holder has renewed. It is of elector's
// doc, "a duration of more than".
const maxRenewed = 24 * time.Hour

// longest returns how long a record can last that may still be waited for at the given time. The one that stands then
// may have been written long before, since a process that started later, or could not see it, begins to wait when it
// sees it. Processes that had seen a deleted record wait for it, as its holder may not have noticed.
func longest(h History, l Limits, at time.Duration) time.Duration {
	length, standing, gone := l.LeaseDuration, time.Duration(0), time.Duration(-1)
	for _, e := range h {
		if e.At > at {
			break
		}
		if e.Kind != LeaseWrite {
			continue
		}
		before, after := deref(e.Before), deref(e.After)
		if after.Holder == "" && after.UID != before.UID {
			if gone < 0 {
				gone = e.At
			}
			continue
		}
		limit := l.MaxLease
		if before.UID == after.UID && before.Holder == after.Holder && before.Renewed != after.Renewed {
			limit = maxRenewed
		}
		standing, gone = min(after.duration(), limit), -1
		if e.At+limit > at {
			length = max(length, standing)
		}
	}
	if gone >= 0 && gone+standing <= at {
		return length
	}
	return max(length, standing)
}

// requests compares what a process has sent with the time it had.
func requests(w *world, l Limits) (found []Violation) {
	last := map[string]time.Duration{}
	for _, e := range w.history {
		p := w.processes[e.Replica]
		if e.Kind != Requests || !p.judged(l) {
			continue
		}
		since, ok := last[e.Replica]
		if !ok {
			since = p.alive.from
		}
		last[e.Replica] = e.At
		allowed := float64(l.RequestBurst) + l.RequestsPerTry*float64(e.At-since)/float64(l.RetryPeriod)
		if float64(e.N) > allowed {
			found = append(found, violation(e.At, e.Replica, "%d requests in %v, %.0f at most", e.N, e.At-since, allowed))
		}
	}
	return found
}
