// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package history

import (
	"slices"
	"time"
)

// proved reports whether the author of a record was dead, and had been reported to be for a Grace, when e claimed it.
func (w *world) proved(l Limits, author string, e Event) bool {
	p, by := w.processes[author], w.processes[e.Replica]
	return p != nil && by.detects && p.alive.to <= e.At && p.reported != never && p.reported+l.Grace <= e.At+l.Tolerance
}

// crash judges reports of the ends of processes that held the Lease undisputed. If a candidate is there that has been
// well for a while, does not hold back, and no administrator interferes, the next write of the record comes soon.
func crash(w *world, l Limits) (found []Violation) {
	if l.Crash == 0 {
		return nil
	}
	judge := func(at time.Duration, was held) {
		p := w.processes[was.author]
		if p == nil || p.reported == never || !p.clear || p.reported < was.since || at <= p.reported+l.Crash+l.Tolerance {
			return
		}
		held := was.from+l.Settle <= p.alive.to && was.since <= p.alive.to && !was.reapplied && len(was.replaced) == 0
		s := span{p.alive.to - l.Settle, p.reported + l.Crash}
		if held && w.termsFollow(l, p.reported) <= p.reported && !anyOverlaps(w.faults(l, ByHand, true), s) && w.candidate(l, s) {
			found = append(found, violation(p.reported, p.name, "is reported to have ended, and has the Lease %v later", at-p.reported))
		}
	}
	last := eachWrite(w.history, l, func(e Event, was held) { judge(e.At, was) })
	judge(w.end, last)
	return found
}

// candidate reports whether a process with crash detection is there and well all the time.
func (w *world) candidate(l Limits, s span) bool {
	return slices.ContainsFunc(w.order, func(p *process) bool {
		return p.judged(l) && p.detects && p.alive.overlap(s) == s && p.told >= s.to && !anyOverlaps(w.faults(l, p.name, true), s)
	})
}
