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

// story is a history as it is drawn: who led when.
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
