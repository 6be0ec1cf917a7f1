// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"slices"
	"strings"
	"testing"
	"time"
)

var zero = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// at is an event of replica "a#1" or the like, milliseconds after zero.
func at(ms int, name string, k kind) occurrence {
	p := parseProcess(name)
	return occurrence{At: zero.Add(time.Duration(ms) * time.Millisecond), Replica: p.replica, Process: p.number, Kind: k}
}

// wrote is a write of the Lease that was sent after so many milliseconds, and seen 20 later.
func leaseAt(ms int, author, version string) occurrence {
	e := at(ms+20, "", lease)
	e.Record = &record{Version: version, UID: "1", Holder: author, Author: author, Renewed: zero.Add(time.Duration(ms) * time.Millisecond), Seconds: 3}
	return e
}

func withToken(e occurrence, token string) occurrence {
	e.Token = token
	return e
}

// broken are the invariants that the events do not keep.
func brokenBy(events []occurrence) (names []string) {
	s := &stage{journal: newJournal(), timing: quick, began: zero, stalls: &stalls{}}
	_, violations, _ := s.judge(events)
	for _, v := range violations {
		names = append(names, v.Invariant)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func TestAnOrderlyHistoryKeepsTheInvariants(t *testing.T) {
	stopped := at(1200, "a#1", stopped)
	released := leaseAt(1210, "a#1", "8")
	released.Record.Holder = ""
	cause := at(1000, "a#1", told)
	cause.Detail = "elector stopped"
	got := brokenBy([]occurrence{
		at(0, "a#1", started), at(0, "b#1", started),
		withToken(at(120, "a#1", leads), "5"), leaseAt(100, "a#1", "5"), // The Lease is seen after the term has begun.
		leaseAt(500, "a#1", "6"), leaseAt(900, "a#1", "7"),
		cause, at(1190, "a#1", returns), stopped, released,
		withToken(at(1260, "b#1", leads), "9"), leaseAt(1250, "b#1", "9"),
	})
	if len(got) > 0 {
		t.Errorf("it breaks %v", got)
	}
}

func TestTheInvariantsSeeWhatIsWrong(t *testing.T) {
	calm := []occurrence{
		at(0, "a#1", started), at(0, "b#1", started),
		leaseAt(100, "a#1", "5"), withToken(at(120, "a#1", leads), "5"), leaseAt(500, "a#1", "6"),
	}
	for invariant, more := range map[string][]occurrence{
		"one-leader":   {leaseAt(600, "b#1", "8"), withToken(at(700, "b#1", leads), "8"), at(900, "a#1", told)},
		"respect":      {leaseAt(600, "b#1", "8"), at(650, "a#1", told), withToken(at(700, "b#1", leads), "8")},
		"tokens-rise":  {at(600, "a#1", told), at(600, "a#1", returns), at(600, "a#1", stopped), withToken(at(700, "a#1", leads), "4")},
		"callbacks":    {at(600, "b#1", stopped)},
		"ends-in-time": {at(4000, "a#1", told)},
	} {
		if got := brokenBy(append(slices.Clone(calm), more...)); !slices.Contains(got, invariant) {
			t.Errorf("%s is kept, they say; broken: %s", invariant, strings.Join(got, ", "))
		}
	}
}

func TestWhatAHandWroteWasThereWhenALeaderNoticed(t *testing.T) {
	begun, hand := at(500, byHand, fault), at(560, "", lease)
	hand.Record = &record{Version: "7"}
	times := leaseTimes([]occurrence{at(400, "b#1", told), begun, at(530, "a#1", told), hand})
	if got := times[3].Sub(zero); got != 530*time.Millisecond {
		t.Errorf("the hand wrote after %v, want 530ms", got)
	}
}

func TestWhatAHandWroteIsNotAfterWhatFollowed(t *testing.T) {
	hand := at(1000, "", lease)
	hand.Record = &record{Version: "7"}
	times := leaseTimes([]occurrence{leaseAt(500, "a#1", "6"), hand, leaseAt(700, "a#1", "8")})
	if got := times[1].Sub(zero); got != 700*time.Millisecond {
		t.Errorf("the hand wrote after %v, want 700ms", got)
	}
}

func TestWhatAHandWroteIsNoticedThoughTheWitnessIsLate(t *testing.T) {
	hand := at(1000, "", lease) // seen when the next hand had begun
	hand.Record = &record{Version: "7"}
	times := leaseTimes([]occurrence{
		leaseAt(500, "a#1", "6"), at(600, byHand, fault), at(690, "a#1", told), at(800, byHand, fault), hand, leaseAt(700, "b#1", "8"),
	})
	if got := times[4].Sub(zero); got != 690*time.Millisecond {
		t.Errorf("the hand wrote after %v, want 690ms", got)
	}
}

func TestABoundIsJudgedByTheStallsThatHadBegun(t *testing.T) {
	for name, test := range map[string]struct {
		over, late time.Duration // the stall: when it was over, since the figure was taken, and how long it was
		fails      bool
	}{
		"too short":            {10 * time.Millisecond, 40 * time.Millisecond, true},
		"known only later":     {10 * time.Millisecond, 60 * time.Millisecond, false},
		"of the time after it": {time.Second, 60 * time.Millisecond, true},
	} {
		s := &stage{journal: newJournal(), timing: quick, began: time.Now().Add(-time.Second), stalls: &stalls{}}
		s.within("it", 110*time.Millisecond, 50*time.Millisecond)
		s.stalls.late = []stall{{time.Now().Add(test.over), test.late}}
		r, _ := s.conclude()
		if failed := strings.Contains(strings.Join(r.Failures, "\n"), "it: 110ms, at most 50ms and the machine's stall of "); failed != test.fails {
			t.Errorf("%s: failures %q", name, r.Failures)
		}
	}
}
