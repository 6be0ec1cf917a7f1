// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package history

import (
	"slices"
	"time"
)

// leaves judges processes that were not frozen meanwhile.
func leaves(w *world, l Limits) (found []Violation) {
	if l.Leave == 0 {
		return nil
	}
	for _, p := range w.order {
		if !p.judged(l) {
			continue
		}
		late := func(since, limit time.Duration, end time.Duration, what string) {
			due := since + limit + l.Tolerance
			if since != never && end > due && due < w.end && !anyOverlaps(p.frozen, span{since, due}) {
				found = append(found, violation(due, p.name, "%s, and Start has not returned after %v", what, limit))
			}
		}
		late(p.told, l.Leave, p.alive.to, "was told to end")
		for _, t := range p.terms {
			if !t.voluntary() {
				late(t.cancelled, l.Allowance, t.over, "lost its term, its work does not end")
			}
		}
	}
	return found
}

// nilMeansReleased follows who wrote the record that stands, until it lapses. A process that has ReleaseOnCancel leaves
// nothing behind. Nor does one whose claim came too late for its work to begin, if the network lets it.
func nilMeansReleased(w *world, l Limits) (found []Violation) {
	holder, first, lapses := "", 0, time.Duration(0) // who wrote the record, from where in the history on, and until when
	late := false                                    // it arrived when the writer had given it up
	for i, e := range w.history {
		p := w.processes[e.Replica]
		switch {
		case e.Kind == LeaseWrite && e.changesHolder():
			after := deref(e.After)
			lapses, late = e.At+l.length(after), holder == e.Replica && p != nil && p.lost(e.At)
			switch {
			case after.Holder == "":
				holder = ""
			case holder != e.Replica || deref(e.Before).UID != after.UID:
				holder, first = e.Replica, i
			}
		case !l.Nil || !e.OK || e.At >= lapses || !p.judged(l) || holder != e.Replica:
		case late && anyOverlaps(w.faults(l, e.Replica, true), span{e.At, e.At + 1}): // and it may not have heard of it
		case w.lied(l, e.Replica, e.At):
		case e.Kind == SteppedDown:
			found = append(found, violation(e.At, e.Replica, "StepDown returned nil, and the Lease is held"))
		case e.Kind == ProcessEnded && p.told <= e.At:
			worked := slices.ContainsFunc(p.terms, func(t *term) bool { return t.acquired >= first })
			hindered := anyOverlaps(w.faults(l, e.Replica, true), span{e.At, e.At + 1})
			if p.releases || !worked && !hindered {
				found = append(found, violation(e.At, e.Replica, "Start returned nil, and the Lease is held"))
			}
		}
	}
	return found
}

// lost reports whether the process had lost its latest term at the given time.
func (p *process) lost(at time.Duration) (lost bool) {
	for _, t := range p.terms {
		if t.started <= at {
			lost = t.cancelled < at && !t.voluntary()
		}
	}
	return lost
}
