// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package history

import (
	"slices"
	"time"
)

// workStops allows work to act until its allowance is over and, in a voluntary end, for as long as the record stands.
// The term of a frozen process ends, too. When it has woken up it has Wake to find out.
func workStops(w *world, l Limits) (found []Violation) {
	for _, t := range w.terms(l) {
		for _, act := range t.acts {
			end := t.valid().to
			if t.voluntary() {
				end = max(end, lastBefore(t.of.leads, act.At, end))
				if act.At-end > l.Allowance {
					end = max(end, w.stands(t.of.name, act.At, l))
				}
			}
			if own, ok := w.writes[t.of.name]; ok {
				end = min(end, lastBefore(own, act.At, t.started)+l.RenewDeadline)
			}
			if act.At-end > l.Allowance+l.Tolerance && t.of.awake(act.At, l) {
				found = append(found, violation(act.At, t.of.name, "works %v after the end of its term", act.At-end))
			}
		}
	}
	return found
}

// stands returns until when the record stands, or stood, that the process last wrote before the given time, as far as
// the process can know.
func (w *world) stands(process string, at time.Duration, l Limits) (until time.Duration) {
	standing := false
	for _, e := range w.history {
		switch {
		case e.At > at:
			return until
		case e.Kind != LeaseWrite || !e.changesHolder():
		case e.Replica == process && e.After.Holder != "":
			until, standing = e.At+l.RenewDeadline, true
		case standing && (e.Replica == process || !anyOverlaps(w.faults(l, process, true), span{e.At, e.At + l.Notice})):
			until, standing = min(until, e.At), false
		}
	}
	return until
}

// workAlone judges work that goes on after its term's end, and work under a hold at any time. A process that has just
// woken up cannot know, and one whose record an administrator has removed may learn of it late, by RenewDeadline and
// the allowance.
func workAlone(w *world, l Limits) (found []Violation) {
	for _, t := range w.terms(l) {
		late := slices.DeleteFunc(slices.Clone(t.acts), func(act Event) bool { return act.At <= t.valid().to })
		for _, act := range append(late, t.served...) {
			if !t.of.awake(act.At, l) {
				continue
			}
			now := span{act.At, act.At}
			if other := w.leads(act.At, l, t); other != nil && !removedByHand(w, l, t.of.name, now, l.RenewDeadline+l.Allowance) {
				found = append(found, violation(act.At, t.of.name, "works in the term of %s", other.of.name))
			}
		}
	}
	return found
}

// leads returns a later term in which another process is sure to think that it leads, by more than the tolerance.
func (w *world) leads(at time.Duration, l Limits, than *term) *term {
	for _, p := range w.order {
		for _, t := range p.terms {
			if s := t.valid(); p != than.of && s.from+l.Tolerance < at && at < s.to-l.Tolerance && !t.elder(than) &&
				len(p.running(span{at, at + 1}, l.Wake)) > 0 {
				return t
			}
		}
	}
	return nil
}

// Zombies returns the acts of frozen processes that woke up after their time, which no lease can prevent.
type Zombies struct {
	Woken    int           // processes thawed when the time of the term they were in had passed
	Acts     int           // what they did before they knew
	Accepted int           // and was not refused
	Longest  time.Duration // from waking up to the last such act
}

// CountZombies finds them.
func CountZombies(h History, l Limits) (z Zombies) {
	w := read(h)
	for _, t := range w.terms(l) {
		for _, f := range t.of.frozen {
			if f.from < t.started || f.from >= t.valid().to || f.to == never ||
				f.to < lastBefore(w.writes[t.of.name], f.to, t.started)+l.RenewDeadline {
				continue
			}
			z.Woken++
			for _, act := range t.acts {
				if act.At >= f.to {
					z.Acts++
					z.Longest = max(z.Longest, act.At-f.to)
					if act.OK {
						z.Accepted++
					}
				}
			}
		}
	}
	return z
}
