// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Line returns the figures in a line.
func (s *Stats) Line(took time.Duration) string {
	faults := 0
	for _, n := range s.Faults {
		faults += n
	}
	return fmt.Sprintf("%8v  %.3f cluster-years  %d seeds  %.1f seeds/s  %d terms  %d faults  violations: %s",
		took.Round(time.Second), s.Years(), s.Seeds, float64(s.Seeds)/took.Seconds(), s.Elections, faults, s.violations())
}

// violations returns the invariants that were violated, each with the number of seeds.
func (s *Stats) violations() string {
	if len(s.Wrong) == 0 {
		return "none"
	}
	all := make([]string, 0, len(s.Wrong))
	for _, invariant := range slices.Sorted(maps.Keys(s.Wrong)) {
		all = append(all, fmt.Sprint(invariant, " ", s.Wrong[invariant]))
	}
	return strings.Join(all, ", ")
}

// Report returns all the figures.
func (s *Stats) Report(took time.Duration) string {
	var text strings.Builder
	fmt.Fprintln(&text, "ran", s.Line(took))
	fmt.Fprint(&text, "time by LeaseDuration/RenewDeadline/RetryPeriod:")
	for _, timing := range slices.Sorted(maps.Keys(s.Time)) {
		fmt.Fprintf(&text, "  %s %.0f h", timing, s.Time[timing].Hours())
	}
	fmt.Fprint(&text, "\nfaults:")
	for _, kind := range s.FaultKinds() {
		fmt.Fprintf(&text, "  %s %d", kind, s.Faults[kind])
	}
	z := s.Zombies
	fmt.Fprintf(&text, "\nzombies: %d processes woke up when their time had passed; they wrote %d times, for %v at most; %d of it was accepted\n",
		z.Woken, z.Acts, z.Longest, z.Accepted)
	return text.String()
}
