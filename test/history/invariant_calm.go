// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package history

import (
	"slices"
	"time"
)

// quiet is a time in which one lasting fault is on and nothing else happens.
type quiet struct {
	span
	cause, replica string
}

// lasting returns the quiet times. Every other fault is followed by a time to settle.
func lasting(w *world, l Limits) (all []quiet) {
	for i, e := range w.history {
		if e.Kind != FaultBegan || e.Cause == "" {
			continue
		}
		end := w.end
		for _, o := range w.history[i:] {
			if o.Kind == FaultEnded && o.Replica == e.Replica && o.Note == e.Note {
				end = o.At
				break
			}
		}
		for _, gap := range gaps(others(w, l, e), span{e.At + l.Settle, end}) {
			all = append(all, quiet{gap, e.Cause, e.Replica})
		}
	}
	return all
}

// others returns the times that do not count for a lasting fault, which are other faults and the settling after each.
func others(w *world, l Limits, fault Event) []span {
	var all History
	for _, e := range w.history {
		if !(e.Kind == FaultBegan || e.Kind == FaultEnded) || e.Note != fault.Note {
			all = append(all, e)
		}
	}
	return faults(all, l, "", true)
}

// calm sums up what each process did in the quiet times, by the events that count it.
func calm(w *world, l Limits) (found []Violation) {
	const (
		burst = 10
		fresh = 8 // a standby's first twenty reads follow each other within 1.2 RetryPeriods
	)
	for _, q := range lasting(w, l) {
		for _, p := range w.order {
			if !p.judged(l) || q.replica != "" && q.replica != ByHand && q.replica != slot(p.name) {
				continue
			}
			s := p.alive.overlap(q.span)
			judge := func(limit, burst float64, what string, kind Kind) {
				n, d, at := w.counted(p.name, kind, s)
				if most := burst + limit*d.Minutes(); limit > 0 && float64(n) > most {
					found = append(found, violation(at, p.name, "%s: %d %s in %v, %.0f at most", q.cause, n, what, d, most))
				}
			}
			requests, first := p.perMinute(l, q), 0.
			if requests == l.StandbyPerMinute {
				first = fresh
			}
			judge(requests, burst+first, "requests", Requests)
			judge(l.LinesPerMinute, burst, "lines logged", Logged)
			judge(l.TermsPerMinute, burst, "terms", TermStarted)
		}
	}
	return found
}

// perMinute returns how many requests the process may make. One that led for a part of the time counts as a leader.
func (p *process) perMinute(l Limits, q quiet) float64 {
	leads := func(t *term) bool { return !t.valid().overlap(q.span).empty() }
	switch {
	case slices.ContainsFunc(p.terms, leads):
		return l.LeaderPerMinute
	case q.cause == LastingBan:
		return l.BarredPerMinute
	}
	return l.StandbyPerMinute
}

// counted returns the sum of the process's events of the kind in s, over which time that was, and when the last of them
// was. Events with an N count what happened since the one before, so the first in s does not count.
func (w *world) counted(process string, kind Kind, s span) (n int, d, at time.Duration) {
	first := never
	for _, e := range w.history {
		if e.Kind != kind || e.Replica != process || e.At < s.from || e.At >= s.to {
			continue
		}
		if kind == TermStarted {
			n, d, at = n+1, s.to-s.from, e.At
			continue
		}
		if first == never {
			first = e.At
			continue
		}
		n, d, at = n+e.N, e.At-first, e.At
	}
	return n, d, at
}
