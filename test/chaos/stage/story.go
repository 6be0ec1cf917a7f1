// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package stage

import (
	"cmp"
	"slices"
	"time"

	"github.com/kube-elector/elector/test/chaos/event"
)

// A Span is a time from its beginning to its end.
type Span struct{ From, To time.Time }

// Length returns how long it lasts.
func (s Span) Length() time.Duration { return max(0, s.To.Sub(s.From)) }

// A Story says who led when.
type Story struct {
	Span
	Terms  []TermSpan // in the order of their beginnings
	Frozen map[event.Process][]Span
}

// A TermSpan lasts from the beginning of the leader's work until it is told to stop or its process has gone.
type TermSpan struct {
	event.Process
	Span
	Token, Cause string
	Until        time.Time // when it last believed itself the leader, if its work is slow to stop
}

// NewStory reads events.
func NewStory(events []event.Event) *Story {
	events = slices.Clone(events)
	slices.SortStableFunc(events, func(a, b event.Event) int { return a.At.Compare(b.At) })
	s := &Story{Frozen: map[event.Process][]Span{}}
	if len(events) == 0 {
		return s
	}
	s.Span = Span{events[0].At, events[len(events)-1].At}
	open := map[event.Process]int{}
	for _, e := range events {
		p := e.Process()
		switch e.Kind {
		case event.Leads:
			open[p] = len(s.Terms)
			s.Terms = append(s.Terms, TermSpan{Process: p, Span: Span{e.At, s.To}, Token: e.Token, Cause: "still leading"})
		case event.Believes:
			if n := len(s.Terms); n > 0 && s.Terms[n-1].Process == p {
				s.Terms[n-1].Until = e.At
			}
		case event.Told, event.Exited:
			if i, ok := open[p]; ok {
				s.Terms[i].To, s.Terms[i].Cause = e.At, cmp.Or(e.Detail, string(e.Kind))
				delete(open, p)
			}
			if f := s.Frozen[p]; e.Kind == event.Exited && len(f) > 0 && f[len(f)-1].To.Equal(s.To) {
				f[len(f)-1].To = e.At
			}
		case event.Frozen:
			s.Frozen[p] = append(s.Frozen[p], Span{e.At, s.To})
		case event.Thawed:
			if f := s.Frozen[p]; len(f) > 0 {
				f[len(f)-1].To = e.At
			}
		}
	}
	return s
}
