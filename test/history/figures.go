// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package history

import "time"

// Figures are what a history shows beside its violations, by the same reckoning.
type Figures struct {
	Terms   int
	Gap     time.Duration // the longest time without a leader that could act, between the first and the last
	Overlap time.Duration // the longest time with two leaders that one-leader counts
	Zombie  time.Duration // the longest time with a leader that had been frozen, beside another
}

// Measure returns the figures of a history.
func Measure(h History, l Limits) (f Figures) {
	w := read(h)
	var led []span
	for _, p := range w.order {
		f.Terms += len(p.terms)
		for _, t := range p.terms {
			// While its work stops, a process may lead on.
			end := min(max(t.valid().to, lastBefore(p.leads, t.over, 0)), w.end)
			led = append(led, p.running(span{t.started, end}, 0)...)
		}
	}
	if all := union(led); len(all) > 0 {
		for _, gap := range gaps(all, span{all[0].from, all[len(all)-1].to}) {
			f.Gap = max(f.Gap, gap.to-gap.from)
		}
	}
	for _, o := range overlaps(w, l) {
		f.Overlap = max(f.Overlap, o.to-o.from)
	}
	for _, pair := range overlapping(claimsOf(w, 0)) {
		if common := pair[0].overlap(pair[1].span); pair[0].thawed() || pair[1].thawed() {
			f.Zombie = max(f.Zombie, common.to-common.from)
		}
	}
	return f
}

// thawed reports whether the claim begins with the end of a freeze.
func (c claim) thawed() bool {
	for _, frozen := range c.of.frozen {
		if frozen.to == c.from {
			return true
		}
	}
	return false
}
