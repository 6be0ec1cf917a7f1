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

// within notes a figure that must not exceed its bound by more than the machine's own worst stall.
func (s *stage) within(what string, got, bound time.Duration) {
	stall := s.stalls.worst(s.began, time.Now())
	s.must(got <= bound+stall, "%s: %v, at most %v and the machine's stall of %v", what, brief(got), bound, brief(stall))
	s.show(figure{What: what, Value: got, Bound: bound})
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
