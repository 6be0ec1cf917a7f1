// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kube-elector/elector/elector"
	"github.com/kube-elector/elector/test/history"
)

// judge applies the invariants that the simulation has, too, and measures what they are about.
func (s *stage) judge(events []occurrence) (history.History, []history.Violation, history.Figures) {
	h, l := toHistory(events, s.began, s.peer != ours), s.limits()
	return h, history.Check(h, l), history.Measure(h, l)
}

// limits allow the machine's worst stall wherever a time is bounded.
func (s *stage) limits() history.Limits {
	stall := s.stalls.worst(s.began, time.Now())
	t := s.timing
	longest := t.LeaseDuration
	for _, p := range s.pods {
		longest = max(longest, p.task.Timing.LeaseDuration)
	}
	return history.Limits{
		LeaseDuration: longest, RenewDeadline: t.RenewDeadline, RetryPeriod: t.RetryPeriod, MaxLease: elector.MaxLeaseDuration,
		Allowance: t.LeaseDuration - t.RenewDeadline,
		Notice:    notice + stall,
		Wake:      15*time.Millisecond + stall,
		Takeover:  4*t.RetryPeriod + t.RenewDeadline + stall,
		Settle:    2*t.LeaseDuration + stall,
		Tolerance: 5*time.Millisecond + stall,
		// Losing a race costs two requests, and a watch that breaks three.
		RequestBurst: 60, RequestsPerTry: 4,
		JudgePlain: true,
	}
}

// sameKinds are events that the invariants know by another name.
var sameKinds = map[kind]history.Kind{
	leads: history.TermStarted, returns: history.WorkReturned, stopped: history.TermStopped, believes: history.Leading,
	frozen: history.Frozen, thawed: history.Thawed, fault: history.FaultBegan, healed: history.FaultEnded,
	accepted: history.Acted, refused: history.Acted,
}

// toHistory is the events as the invariants read them.
func toHistory(events []occurrence, began time.Time, plain bool) history.History {
	var h history.History
	requests := map[process]int{}
	var before history.Record
	times := leaseTimes(events)
	asked := map[process]bool{} // to end
	for i, e := range events {
		one := history.Event{At: e.At.Sub(began), Kind: sameKinds[e.Kind], Token: e.Token}
		if e.Replica != "" {
			one.Replica = e.Replica
			if e.Process > 0 {
				one.Replica = e.process().String()
			}
		}
		switch e.Kind {
		case started:
			one.Kind, one.Plain = history.ProcessStarted, plain
		case exited:
			one.Kind, one.OK, one.Note = history.ProcessEnded, strings.HasSuffix(e.Detail, "status 0"), e.Detail
		case told:
			one.Kind, one.Cause = history.TermCancelled, e.Detail
			if asked[e.process()] || e.Detail == elector.ErrStopped.Error() {
				one.Cause = history.CauseStopped
			}
		case stopping:
			asked[e.process()] = true
			continue
		case woke:
			if e.Detail != strconv.FormatBool(true) {
				continue
			}
			one.Kind = history.Leading
		case accepted:
			one.OK = true
		case fault, healed:
			one.Note = e.Detail
		case counts:
			n := e.Usage.total()
			one.Kind, one.N = history.Requests, n-requests[e.process()]
			requests[e.process()] = n
		case lease:
			was, is := before, leaseRecord(e.Record)
			one.At, one.Kind, one.Replica = times[i].Sub(began), history.LeaseWrite, e.Record.Author
			one.Before, one.After, before = &was, &is, is
		}
		if one.Kind != "" {
			h = append(h, one)
		}
	}
	return history.Merge(h)
}

func leaseRecord(r *record) history.Record {
	if r.Gone {
		return history.Record{}
	}
	return history.Record{
		UID: r.UID, Version: r.Version, Holder: r.Holder, Renewed: r.Renewed.Format(time.RFC3339Nano),
		Seconds: int32(r.Seconds), Transitions: int32(r.Transitions), //nolint:gosec // They were int32.
	}
}

// leaseTimes are when the writes of the Lease were sent, as far as they say, by the index of their events; what a hand
// wrote, when it was first noticed, but not after what was written next.
func leaseTimes(events []occurrence) map[int]time.Time {
	times := map[int]time.Time{}
	var next time.Time
	for i, e := range slices.Backward(events) {
		if e.Kind != lease {
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
			at = noticed(events, at) // of this hand, and not of one that came when the witness had not even seen this
		}
		times[i], next = at, at
	}
	return times
}

// noticed is when what a hand wrote was first seen by anybody: by the witness at the given time, or by a leader before,
// whose term it ended.
func noticed(events []occurrence, at time.Time) time.Time {
	var began time.Time
	for _, e := range events {
		if e.Kind == fault && e.Replica == byHand && !e.At.After(at) && e.At.After(began) {
			began = e.At
		}
	}
	for _, e := range events {
		if e.Kind == told && !began.IsZero() && e.At.After(began) && e.At.Before(at) {
			at = e.At
		}
	}
	return at
}

// safety are the invariants that hold on the slowest of machines.
var safety = []string{"one-leader", "tokens-rise", "fence", "release", "respect"}

// conclude measures what has happened, and judges it.
func (s *stage) conclude() (result, history.History) {
	events := s.since(0)
	h, violations, figures := s.judge(events)
	r := result{
		Gap: figures.Gap, Overlap: figures.Overlap, Zombie: figures.Zombie, Elections: figures.Terms,
		Stall: s.stalls.worst(s.began, time.Now()),
	}
	for _, e := range events {
		if e.Kind == refused || e.Kind == cannot {
			r.Refused++
		}
	}
	for _, u := range s.usages() {
		r.Requests += u.total()
	}
	for i, v := range violations {
		r.unsafe = r.unsafe || slices.Contains(safety, v.Invariant)
		if i == 5 {
			s.must(false, "… and %d more", len(violations)-i)
			break
		}
		s.must(false, "%s", fmt.Sprint(v))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r.Failures = slices.Concat(s.verdict.failures, exceeded(s.verdict.figures, s.stalls, s.began))
	r.Figures = s.verdict.figures
	return r, h
}
