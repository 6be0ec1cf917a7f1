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

// Line is the figures in a line.
func (s *Stats) Line(took time.Duration) string {
	faults := 0
	for _, n := range s.Faults {
		faults += n
	}
	return fmt.Sprintf("%8v  %.3f cluster-years  %d seeds  %.1f seeds/s  %d elections  %d faults",
		took.Round(time.Second), s.Years(), s.Seeds, float64(s.Seeds)/took.Seconds(), s.Elections, faults)
}

// Report is all the figures.
func (s *Stats) Report(took time.Duration) string {
	var text strings.Builder
	fmt.Fprintln(&text, s.Line(took))
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
