// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"slices"
	"time"
)

// state is what a replica is in for a while.
type state string

const (
	standsBy state = "stands by"
	leads    state = "leads"
	isFrozen state = "frozen"
)

// span is a time in which a replica was in one state.
type span struct {
	Replica  string
	State    state
	From, To time.Time
	Token    string // if it leads
}

// timeline is who led when.
type timeline struct {
	Replicas []string
	Spans    []span
	Faults   []event // what the demo did to the replicas
	Changes  []change
	From, To time.Time
}

// newTimeline makes the timeline of a history up to its end.
func newTimeline(history []event, end time.Time) timeline {
	history = inOrder(history)
	found, _ := changes(history) // Its error is told elsewhere.
	t := timeline{Changes: found, From: end, To: end}
	open := map[string]*span{}
	leader := ""
	begin := func(e event, s state) {
		if last := open[e.Replica]; last != nil {
			last.To = e.At
			t.Spans = append(t.Spans, *last)
		}
		delete(open, e.Replica)
		if s != "" {
			open[e.Replica] = &span{Replica: e.Replica, State: s, From: e.At, Token: e.Token}
		}
	}
	for i, e := range history {
		if i == 0 {
			t.From = e.At
		}
		if !slices.Contains(t.Replicas, e.Replica) {
			t.Replicas = append(t.Replicas, e.Replica)
		}
		switch e.Kind {
		case up:
			begin(e, standsBy)
		case leading:
			leader = e.Token
			begin(e, leads)
		case stopped:
			if s := open[e.Replica]; s != nil && s.State == leads {
				begin(event{At: e.At, Replica: e.Replica}, standsBy)
			}
		case frozen:
			if s := open[e.Replica]; s != nil {
				begin(event{At: e.At, Replica: e.Replica, Token: s.Token}, isFrozen)
			}
		case woken:
			if s := open[e.Replica]; s != nil && s.State == isFrozen {
				begin(awake(e, s.Token, leader))
			}
		case killed, lostNode, exited:
			begin(e, "")
		case terminated, worked, renewed, reported:
		}
		if e.Kind.signal() != "" {
			t.Faults = append(t.Faults, e)
		}
	}
	for _, replica := range t.Replicas {
		begin(event{At: end, Replica: replica}, "")
	}
	slices.Sort(t.Replicas)
	return t
}

// awake returns what a replica goes on with that was frozen in the term of that token. It is the term, if that still
// lasts, or "".
func awake(e event, token, leader string) (event, state) {
	if token != "" && token == leader {
		e.Token = token
		return e, leads
	}
	return e, standsBy
}
