// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"testing"
	"time"
)

var zero = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// at is an event of replica "a#1" or the like, milliseconds after zero.
func at(ms int, name string, k kind) occurrence {
	p := parseProcess(name)
	return occurrence{At: zero.Add(time.Duration(ms) * time.Millisecond), Replica: p.replica, Process: p.number, Kind: k}
}

func TestFiguresOfAHistory(t *testing.T) {
	for name, try := range map[string]struct {
		events               []occurrence
		gap, overlap, zombie int // ms
	}{
		"nobody leads": {events: []occurrence{at(0, "a#1", started), at(100, "a#1", exited)}},
		"one after the other": {
			events: []occurrence{at(0, "a#1", leads), at(100, "a#1", told), at(130, "b#1", leads), at(200, "b#1", told)},
			gap:    30,
		},
		"a process that ends ends its term": {
			events: []occurrence{at(0, "a#1", leads), at(100, "a#1", exited), at(150, "a#2", leads), at(200, "a#2", told)},
			gap:    50,
		},
		"two at once": {
			events:  []occurrence{at(0, "a#1", leads), at(100, "b#1", leads), at(140, "a#1", told), at(200, "b#1", told)},
			overlap: 40,
		},
		"frozen while another leads": {
			events: []occurrence{
				at(0, "a#1", leads), at(50, "a#1", frozen), at(100, "b#1", leads), at(150, "a#1", thawed),
				at(157, "a#1", told), at(200, "b#1", told),
			},
			gap: 50, zombie: 7,
		},
		"frozen too late": {
			events: []occurrence{
				at(0, "a#1", leads), at(100, "b#1", leads), at(110, "a#1", frozen), at(150, "a#1", thawed),
				at(157, "a#1", told), at(200, "b#1", told),
			},
			overlap: 10, zombie: 7,
		},
		"still leading while its work stops": {
			events: []occurrence{
				at(0, "a#1", leads), at(100, "a#1", told), at(140, "a#1", believes), at(150, "a#1", returns),
				at(155, "b#1", leads), at(200, "b#1", told),
			},
			gap: 15,
		},
		"reported in any order": {
			events: []occurrence{at(130, "b#1", leads), at(0, "a#1", leads), at(200, "b#1", told), at(100, "a#1", told)},
			gap:    30,
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStory(try.events)
			overlap, zombie := s.overlaps()
			for what, d := range map[string][2]time.Duration{
				"gap":     {s.gap(), time.Duration(try.gap) * time.Millisecond},
				"overlap": {overlap, time.Duration(try.overlap) * time.Millisecond},
				"zombie":  {zombie, time.Duration(try.zombie) * time.Millisecond},
			} {
				if d[0] != d[1] {
					t.Errorf("%s %v, want %v", what, d[0], d[1])
				}
			}
		})
	}
}
