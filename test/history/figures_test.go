// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package history

import (
	"testing"
	"time"
)

func TestFiguresAgreeWithTheVerdict(t *testing.T) {
	start := History{at(0, "a#1", ProcessStarted), at(0, "b#1", ProcessStarted), at(0, "a#1", TermStarted)}
	for name, try := range map[string]struct {
		events               History
		gap, overlap, zombie time.Duration
	}{
		"one after the other": {
			events: History{at(1, "a#1", TermCancelled), at(1.3, "b#1", TermStarted), at(2, "b#1", TermCancelled)},
			gap:    300 * time.Millisecond,
		},
		"a process that ends ends its term": {
			events: History{at(1, "a#1", ProcessEnded), at(1.5, "b#1", TermStarted), at(2, "b#1", TermCancelled)},
			gap:    500 * time.Millisecond,
		},
		"two at once": {
			events:  History{at(1, "b#1", TermStarted), at(1.4, "a#1", TermCancelled), at(2, "b#1", TermCancelled)},
			overlap: 400 * time.Millisecond,
		},
		"two at once for less than clocks are worth": {
			events: History{at(1, "b#1", TermStarted), at(1.003, "a#1", TermCancelled), at(2, "b#1", TermCancelled)},
		},
		"two at once after an administrator has removed the record": {
			events: History{
				at(0, "a#1", LeaseWrite, wrote("", "a@1")), at(0.9, "", LeaseWrite, wrote("a@1", "")),
				at(1, "b#1", LeaseWrite, wrote("", "b@2")), at(1, "b#1", TermStarted), at(1.4, "a#1", TermCancelled),
			},
		},
		"frozen while another leads": {
			events: History{
				at(0.5, "a#1", Frozen), at(1, "b#1", TermStarted), at(1.5, "a#1", Thawed), at(1.507, "a#1", TermCancelled), at(2, "b#1", TermCancelled),
			},
			gap: 500 * time.Millisecond, zombie: 7 * time.Millisecond,
		},
		"frozen too late": {
			events: History{
				at(1, "b#1", TermStarted), at(1.1, "a#1", Frozen), at(1.5, "a#1", Thawed), at(1.507, "a#1", TermCancelled), at(2, "b#1", TermCancelled),
			},
			overlap: 100 * time.Millisecond, zombie: 7 * time.Millisecond,
		},
		"still leading while its work stops": {
			events: History{
				at(1, "a#1", TermCancelled, cause(CauseStopped)), at(1.4, "a#1", Leading), at(1.5, "a#1", WorkReturned),
				at(1.5, "a#1", TermStopped), at(1.55, "b#1", TermStarted), at(2, "b#1", TermCancelled),
			},
			gap: 150 * time.Millisecond,
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := limits
			l.Tolerance = 5 * time.Millisecond
			h := Merge(start, try.events)
			got := Measure(h, l)
			for what, d := range map[string][2]time.Duration{
				"gap": {got.Gap, try.gap}, "overlap": {got.Overlap, try.overlap}, "zombie": {got.Zombie, try.zombie},
			} {
				if (d[0] - d[1]).Abs() > time.Microsecond {
					t.Errorf("%s %v, want %v", what, d[0], d[1])
				}
			}
			broken := false
			for _, v := range Check(h, l) {
				broken = broken || v.Invariant == "one-leader"
			}
			if broken != (got.Overlap > 0) {
				t.Errorf("overlap %v, but one-leader is broken: %t", got.Overlap, broken)
			}
		})
	}
	if got := Measure(History{at(0, "a#1", ProcessStarted), at(1, "a#1", ProcessEnded)}, limits); got != (Figures{}) {
		t.Errorf("nobody leads, but %+v", got)
	}
}
