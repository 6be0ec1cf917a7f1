// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package stage

import (
	"fmt"
	"time"
)

// A Figure is a duration or a count that the scenario has measured. If it has a bound, the machine's own worst stall
// until then is allowed on top of it.
type Figure struct {
	What  string        `json:"what"`
	Value time.Duration `json:"nanoseconds,omitempty"`
	Bound time.Duration `json:"boundNanoseconds,omitempty"`
	Count *int          `json:"count,omitempty"`

	taken time.Time // when it had been measured, if it has a bound
}

func (f Figure) String() string {
	switch {
	case f.Count != nil:
		return fmt.Sprintf("%s: %d", f.What, *f.Count)
	case f.Bound > 0:
		return fmt.Sprintf("%s: %v (≤ %v)", f.What, Brief(f.Value), f.Bound)
	}
	return fmt.Sprintf("%s: %v", f.What, Brief(f.Value))
}

// Brief returns d as precise as it is worth reading.
func Brief(d time.Duration) time.Duration {
	switch {
	case d.Abs() >= 10*time.Second:
		return d.Round(100 * time.Millisecond)
	case d.Abs() >= 100*time.Millisecond:
		return d.Round(time.Millisecond)
	}
	return d.Round(100 * time.Microsecond)
}

// Must notes a failure unless ok.
func (s *Stage) Must(ok bool, format string, args ...any) {
	if ok {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failures = append(s.failures, fmt.Sprintf(format, args...))
}

// Within notes a figure that must not exceed its bound by more than the machine's own worst stall until now. It is
// judged at the end of the scenario, since a stall is known only when it is over.
func (s *Stage) Within(what string, got, bound time.Duration) {
	s.Show(Figure{What: what, Value: got, Bound: bound, taken: time.Now()})
}

// exceeded returns the figures beyond their bounds and the worst stall that had begun when they were taken.
func exceeded(figures []Figure, stalls *Stalls, began time.Time) (failures []string) {
	for _, f := range figures {
		if stall := stalls.Worst(began, f.taken); f.Bound > 0 && f.Value > f.Bound+stall {
			failures = append(failures, fmt.Sprintf("%s: %v, at most %v and the machine's stall of %v", f.What, Brief(f.Value), f.Bound, Brief(stall)))
		}
	}
	return failures
}

// AtLeast notes a figure that must not be less than its bound.
func (s *Stage) AtLeast(what string, got, bound time.Duration) {
	s.Must(got >= bound, "%s: %v, at least %v", what, Brief(got), bound)
	s.Show(Figure{What: what, Value: got})
}

// Count notes a count.
func (s *Stage) Count(what string, n int) { s.Show(Figure{What: what, Count: &n}) }

// Show notes a figure.
func (s *Stage) Show(f Figure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.figures = append(s.figures, f)
}
