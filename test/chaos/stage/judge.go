// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package stage

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kube-elector/elector/elector"
	"github.com/kube-elector/elector/test/chaos/event"
	"github.com/kube-elector/elector/test/harness"
	"github.com/kube-elector/elector/test/history"
)

// judge applies the invariants that the simulation has, too, and takes the figures from the same history.
func (s *Stage) judge(events []event.Event) (history.History, []history.Violation, history.Figures) {
	h, l := toHistory(events, s.Began, s.Peer != harness.Ours), s.limits()
	return h, history.Check(h, l), history.Measure(h, l)
}

// limits returns limits that allow the machine's worst stall wherever a time is bounded.
func (s *Stage) limits() history.Limits {
	stall := s.Stalls.Worst(s.Began, time.Now())
	t := s.Timing
	longest := t.LeaseDuration
	for _, p := range s.Replicas {
		longest = max(longest, p.Task.Timing.LeaseDuration)
	}
	return history.Limits{
		LeaseDuration: longest, RenewDeadline: t.RenewDeadline, RetryPeriod: t.RetryPeriod, MaxLease: elector.MaxLeaseDuration,
		Allowance: t.LeaseDuration - t.RenewDeadline,
		Notice:    Notice + stall,
		Wake:      15*time.Millisecond + stall,
		Takeover:  4*t.RetryPeriod + t.RenewDeadline + stall,
		Settle:    2*t.LeaseDuration + stall,
		Tolerance: 5*time.Millisecond + stall,
		// Losing a race costs two requests, and a watch that breaks three.
		RequestBurst: 60, RequestsPerTry: 4,
		JudgePlain: true,
	}
}

// sameKinds has the names by which the invariants know events.
var sameKinds = map[event.Kind]history.Kind{
	event.Leads: history.TermStarted, event.Returns: history.WorkReturned, event.Stopped: history.TermStopped, event.Believes: history.Leading,
	event.Frozen: history.Frozen, event.Thawed: history.Thawed, event.Fault: history.FaultBegan, event.Healed: history.FaultEnded,
	event.Accepted: history.Acted, event.Refused: history.Acted,
}

// toHistory returns the events as the invariants read them.
func toHistory(events []event.Event, began time.Time, plain bool) history.History {
	var h history.History
	requests := map[event.Process]int{}
	var before history.Record
	times := leaseTimes(events)
	asked := map[event.Process]bool{} // to end
	for i, e := range events {
		one := history.Event{At: e.At.Sub(began), Kind: sameKinds[e.Kind], Token: e.Token}
		if e.Replica != "" {
			one.Replica = e.Replica
			if e.Number > 0 {
				one.Replica = e.Process().String()
			}
		}
		switch e.Kind {
		case event.Started:
			one.Kind, one.Plain = history.ProcessStarted, plain
		case event.Exited:
			one.Kind, one.OK, one.Note = history.ProcessEnded, strings.HasSuffix(e.Detail, "status 0"), e.Detail
		case event.Told:
			one.Kind, one.Cause = history.TermCancelled, e.Detail
			if asked[e.Process()] || e.Detail == elector.ErrStopped.Error() {
				one.Cause = history.CauseStopped
			}
		case event.Stopping:
			asked[e.Process()] = true
			continue
		case event.Woke:
			if e.Detail != strconv.FormatBool(true) {
				continue
			}
			one.Kind = history.Leading
		case event.Accepted:
			one.OK = true
		case event.Fault, event.Healed:
			one.Note = e.Detail
		case event.Counts:
			n := e.Usage.Total()
			one.Kind, one.N = history.Requests, n-requests[e.Process()]
			requests[e.Process()] = n
		case event.Lease:
			was, is := before, e.Record.Record
			one.At, one.Kind, one.Replica = times[i].Sub(began), history.LeaseWrite, e.Record.Author
			one.Before, one.After, before = &was, &is, is
		}
		if one.Kind != "" {
			h = append(h, one)
		}
	}
	return history.Merge(h)
}

// leaseTimes returns when the writes of the Lease were sent, as far as they say, by the index of their events. For what
// an administrator wrote it is when that was first noticed, but not after the next write.
func leaseTimes(events []event.Event) map[int]time.Time {
	times := map[int]time.Time{}
	var next time.Time
	for i, e := range slices.Backward(events) {
		if e.Kind != event.Lease {
			continue
		}
		at := e.At
		if r := e.Record; r.Author != "" && r.Renewed.Before(at) {
			at = r.Renewed
		}
		if !next.IsZero() && at.After(next) {
			at = next
		}
		if e.Record.Author == "" {
			at = later(noticed(events, at), lastSent(events[:i]))
		}
		times[i], next = at, at
	}
	return times
}

// lastSent returns when the last write was sent that says so. What was written after it cannot have been noticed
// before.
func lastSent(events []event.Event) time.Time {
	for _, e := range slices.Backward(events) {
		if e.Kind == event.Lease && e.Record.Author != "" {
			return e.Record.Renewed
		}
	}
	return time.Time{}
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// noticed returns when an administrator's write was first seen, by the witness at the given time, or earlier by a
// leader whose term it ended.
func noticed(events []event.Event, at time.Time) time.Time {
	var began time.Time
	for _, e := range events {
		if e.Kind == event.Fault && e.Replica == history.ByHand && !e.At.After(at) && e.At.After(began) {
			began = e.At
		}
	}
	for _, e := range events {
		if e.Kind == event.Told && !began.IsZero() && e.At.After(began) && e.At.Before(at) {
			at = e.At
		}
	}
	return at
}

// safety has the invariants that hold on the slowest of machines.
var safety = []string{"one-leader", "tokens-rise", "fence", "release", "respect"}

// An Outcome is what a scenario has shown.
type Outcome struct {
	Failures  []string      `json:"failures,omitempty"`
	Figures   []Figure      `json:"figures,omitempty"`
	Gap       time.Duration `json:"gapNanoseconds"`     // the longest time without a leader that could act
	Overlap   time.Duration `json:"overlapNanoseconds"` // the longest time with two that the rules do not excuse
	Zombie    time.Duration `json:"zombieNanoseconds"`  // the same, where one had been frozen
	Refused   int           `json:"writesRefused"`
	Requests  int           `json:"requests"` // about the Lease, of all replicas
	Elections int           `json:"elections"`
	Stall     time.Duration `json:"stallNanoseconds"` // the machine's own worst, meanwhile
	Unsafe    bool          `json:"-"`                // what failed does not depend on time
}

// Conclude judges and measures what has happened.
func (s *Stage) Conclude() (Outcome, history.History) {
	events := s.Since(0)
	h, violations, figures := s.judge(events)
	o := Outcome{
		Gap: figures.Gap, Overlap: figures.Overlap, Zombie: figures.Zombie, Elections: figures.Terms,
		Stall: s.Stalls.Worst(s.Began, time.Now()),
	}
	for _, e := range events {
		if e.Kind == event.Refused || e.Kind == event.Cannot {
			o.Refused++
		}
	}
	for _, u := range s.Usages() {
		o.Requests += u.Total()
	}
	for i, v := range violations {
		o.Unsafe = o.Unsafe || slices.Contains(safety, v.Invariant)
		if i < 5 {
			s.Must(false, "%v", v)
		}
	}
	s.Must(len(violations) <= 5, "… and %d more", len(violations)-5)
	s.mu.Lock()
	defer s.mu.Unlock()
	o.Failures = slices.Concat(s.failures, exceeded(s.figures, s.Stalls, s.Began))
	o.Figures = s.figures
	return o, h
}
