// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"slices"
	"time"
)

// span is a time from its beginning to its end.
type span struct{ from, to time.Time }

func (s span) length() time.Duration { return max(0, s.to.Sub(s.from)) }

func (s span) overlap(other span) span {
	if other.from.After(s.from) {
		s.from = other.from
	}
	if other.to.Before(s.to) {
		s.to = other.to
	}
	return s
}

// story is a history as it is drawn and measured: who led when.
type story struct {
	span
	terms  []termSpan // in the order of their beginnings
	frozen map[process][]span
}

// termSpan is from the beginning of the leader's work to when it is told to stop, or its process has gone.
type termSpan struct {
	process
	span
	token, cause string
	until        time.Time // when it last believed itself the leader, its work being slow to stop
}

func newStory(events []occurrence) *story {
	events = slices.Clone(events)
	slices.SortStableFunc(events, func(a, b occurrence) int { return a.At.Compare(b.At) })
	s := &story{frozen: map[process][]span{}}
	if len(events) == 0 {
		return s
	}
	s.span = span{events[0].At, events[len(events)-1].At}
	open := map[process]int{}
	for _, e := range events {
		p := e.process()
		switch e.Kind {
		case leads:
			open[p] = len(s.terms)
			s.terms = append(s.terms, termSpan{process: p, span: span{e.At, s.to}, token: e.Token, cause: "still leading"})
		case believes:
			if n := len(s.terms); n > 0 && s.terms[n-1].process == p {
				s.terms[n-1].until = e.At
			}
		case told, exited:
			if i, ok := open[p]; ok {
				s.terms[i].to, s.terms[i].cause = e.At, cmp.Or(e.Detail, string(e.Kind))
				delete(open, p)
			}
			if f := s.frozen[p]; e.Kind == exited && len(f) > 0 && f[len(f)-1].to.Equal(s.to) {
				f[len(f)-1].to = e.At
			}
		case frozen:
			s.frozen[p] = append(s.frozen[p], span{e.At, s.to})
		case thawed:
			if f := s.frozen[p]; len(f) > 0 {
				f[len(f)-1].to = e.At
			}
		}
	}
	return s
}

// acting is a term without the times for which its process was frozen, in two parts: until it first was, and after.
func (s *story) acting(t termSpan) (before, after []span) {
	rest := t.span
	thawed := false
	add := func(one span) {
		if one.length() == 0 {
			return
		}
		if thawed {
			after = append(after, one)
		} else {
			before = append(before, one)
		}
	}
	for _, f := range s.frozen[t.process] {
		if f.overlap(t.span).length() == 0 {
			continue
		}
		add(span{rest.from, f.from})
		rest.from, thawed = f.to, true
	}
	add(rest)
	return before, after
}

// gap is the longest time without a leader that could act, from the first to the end.
func (s *story) gap() time.Duration {
	var led []span
	for _, t := range s.terms {
		before, after := s.acting(t)
		led = append(led, slices.Concat(before, after)...)
		if t.until.After(t.to) {
			led = append(led, span{t.to, t.until})
		}
	}
	if len(led) == 0 {
		return 0
	}
	slices.SortFunc(led, func(a, b span) int { return a.from.Compare(b.from) })
	var longest time.Duration
	until := led[0].to
	for _, one := range led[1:] {
		longest = max(longest, one.from.Sub(until))
		if one.to.After(until) {
			until = one.to
		}
	}
	return longest
}

// overlaps are the longest time for which two led at once, and the longest for which one did that had been frozen.
func (s *story) overlaps() (two, zombie time.Duration) {
	for i, a := range s.terms {
		for _, b := range s.terms[i+1:] {
			if a.process == b.process {
				continue
			}
			aBefore, aAfter := s.acting(a)
			bBefore, bAfter := s.acting(b)
			two = max(two, common(aBefore, slices.Concat(bBefore, bAfter)))
			zombie = max(zombie, common(aAfter, slices.Concat(bBefore, bAfter)))
		}
	}
	return two, zombie
}

func common(a, b []span) (sum time.Duration) {
	for _, one := range a {
		for _, other := range b {
			sum += one.overlap(other).length()
		}
	}
	return sum
}
