// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"time"
)

// verdict is what a scenario has found.
type verdict struct {
	failures []string
	figures  []figure
}

// figure is one that the scenario has measured, and its bound if it has one. The machine's own worst stall while the
// scenario was played is allowed beside the bound.
type figure struct {
	What  string        `json:"what"`
	Value time.Duration `json:"nanoseconds,omitempty"`
	Bound time.Duration `json:"boundNanoseconds,omitempty"`
	Count *int          `json:"count,omitempty"`

	taken time.Time // when it had been measured, if it has a bound
}

func (f figure) String() string {
	switch {
	case f.Count != nil:
		return fmt.Sprintf("%s: %d", f.What, *f.Count)
	case f.Bound > 0:
		return fmt.Sprintf("%s: %v (≤ %v)", f.What, brief(f.Value), f.Bound)
	}
	return fmt.Sprintf("%s: %v", f.What, brief(f.Value))
}

// brief is d as precise as it is worth reading.
func brief(d time.Duration) time.Duration {
	switch {
	case d.Abs() >= 10*time.Second:
		return d.Round(100 * time.Millisecond)
	case d.Abs() >= 100*time.Millisecond:
		return d.Round(time.Millisecond)
	}
	return d.Round(100 * time.Microsecond)
}

// must notes a failure unless ok.
func (s *stage) must(ok bool, format string, args ...any) {
	if ok {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.verdict.failures = append(s.verdict.failures, fmt.Sprintf(format, args...))
}

// within notes a figure that must not exceed its bound by more than the machine's own worst stall until now. That is
// judged at the end of the scenario: a stall that is going on is known only when it is over.
func (s *stage) within(what string, got, bound time.Duration) {
	s.show(figure{What: what, Value: got, Bound: bound, taken: time.Now()})
}

// exceeded are the figures beyond their bounds and the worst stall that had begun when they were taken.
func exceeded(figures []figure, stalls *stalls, began time.Time) (failures []string) {
	for _, f := range figures {
		if stall := stalls.worst(began, f.taken); f.Bound > 0 && f.Value > f.Bound+stall {
			failures = append(failures, fmt.Sprintf("%s: %v, at most %v and the machine's stall of %v", f.What, brief(f.Value), f.Bound, brief(stall)))
		}
	}
	return failures
}

// atLeast notes a figure that must not be less than its bound.
func (s *stage) atLeast(what string, got, bound time.Duration) {
	s.must(got >= bound, "%s: %v, at least %v", what, brief(got), bound)
	s.show(figure{What: what, Value: got})
}

func (s *stage) count(what string, n int) { s.show(figure{What: what, Count: &n}) }

func (s *stage) show(f figure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.verdict.figures = append(s.verdict.figures, f)
}
