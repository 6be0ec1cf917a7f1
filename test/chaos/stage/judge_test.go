// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package stage

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kube-elector/elector/test/chaos/event"
	"github.com/kube-elector/elector/test/harness"
	"github.com/kube-elector/elector/test/history"
)

var zero = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// at returns an event of replica "a#1" or the like, milliseconds after zero.
func at(ms int, name string, k event.Kind) event.Event {
	p := event.ParseProcess(name)
	return event.Event{At: zero.Add(time.Duration(ms) * time.Millisecond), Replica: p.Replica, Number: p.Number, Kind: k}
}

// leaseAt returns a write of the Lease that was sent after so many milliseconds, and seen 20 later.
func leaseAt(ms int, author, version string) event.Event {
	e := at(ms+20, "", event.Lease)
	sent := zero.Add(time.Duration(ms) * time.Millisecond)
	e.Record = &event.Record{Author: author, Renewed: sent, Record: history.Record{
		Version: version, UID: "1", Holder: author, Renewed: sent.String(), Seconds: 3,
	}}
	return e
}

func withToken(e event.Event, token string) event.Event {
	e.Token = token
	return e
}

// brokenBy returns the invariants that the events do not keep.
func brokenBy(events []event.Event) (names []string) {
	s := &Stage{journal: newJournal(), Timing: harness.Quick, Began: zero, Stalls: &Stalls{}}
	_, violations, _ := s.judge(events)
	for _, v := range violations {
		names = append(names, v.Invariant)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func TestAnOrderlyHistoryKeepsTheInvariants(t *testing.T) {
	stopped := at(1200, "a#1", event.Stopped)
	released := leaseAt(1210, "a#1", "8")
	released.Record.Holder = ""
	cause := at(1000, "a#1", event.Told)
	cause.Detail = "elector stopped"
	got := brokenBy([]event.Event{
		at(0, "a#1", event.Started), at(0, "b#1", event.Started),
		withToken(at(120, "a#1", event.Leads), "5"), leaseAt(100, "a#1", "5"), // The Lease is seen after the term has begun.
		leaseAt(500, "a#1", "6"), leaseAt(900, "a#1", "7"),
		cause, at(1190, "a#1", event.Returns), stopped, released,
		withToken(at(1260, "b#1", event.Leads), "9"), leaseAt(1250, "b#1", "9"),
	})
	if len(got) > 0 {
		t.Errorf("it breaks %v", got)
	}
}

func TestTheInvariantsSeeWhatIsWrong(t *testing.T) {
	calm := []event.Event{
		at(0, "a#1", event.Started), at(0, "b#1", event.Started),
		leaseAt(100, "a#1", "5"), withToken(at(120, "a#1", event.Leads), "5"), leaseAt(500, "a#1", "6"),
	}
	for invariant, more := range map[string][]event.Event{
		"one-leader":   {leaseAt(600, "b#1", "8"), withToken(at(700, "b#1", event.Leads), "8"), at(900, "a#1", event.Told)},
		"respect":      {leaseAt(600, "b#1", "8"), at(650, "a#1", event.Told), withToken(at(700, "b#1", event.Leads), "8")},
		"tokens-rise":  {at(600, "a#1", event.Told), at(600, "a#1", event.Returns), at(600, "a#1", event.Stopped), withToken(at(700, "a#1", event.Leads), "4")},
		"callbacks":    {at(600, "b#1", event.Stopped)},
		"ends-in-time": {at(4000, "a#1", event.Told)},
	} {
		if got := brokenBy(append(slices.Clone(calm), more...)); !slices.Contains(got, invariant) {
			t.Errorf("%s is kept, they say; broken: %s", invariant, strings.Join(got, ", "))
		}
	}
}

func TestWhatAHandWroteWasThereWhenALeaderNoticed(t *testing.T) {
	begun, hand := at(500, history.ByHand, event.Fault), at(560, "", event.Lease)
	hand.Record = &event.Record{Record: history.Record{Version: "7"}}
	times := leaseTimes([]event.Event{at(400, "b#1", event.Told), begun, at(530, "a#1", event.Told), hand})
	if got := times[3].Sub(zero); got != 530*time.Millisecond {
		t.Errorf("the hand wrote after %v, want 530ms", got)
	}
}

func TestWhatAHandWroteIsNotAfterWhatFollowed(t *testing.T) {
	hand := at(1000, "", event.Lease)
	hand.Record = &event.Record{Record: history.Record{Version: "7"}}
	times := leaseTimes([]event.Event{leaseAt(500, "a#1", "6"), hand, leaseAt(700, "a#1", "8")})
	if got := times[1].Sub(zero); got != 700*time.Millisecond {
		t.Errorf("the hand wrote after %v, want 700ms", got)
	}
}

func TestWhatAHandWroteIsNoticedThoughTheWitnessIsLate(t *testing.T) {
	hand := at(1000, "", event.Lease) // seen when the next hand had begun
	hand.Record = &event.Record{Record: history.Record{Version: "7"}}
	times := leaseTimes([]event.Event{
		leaseAt(500, "a#1", "6"), at(600, history.ByHand, event.Fault), at(690, "a#1", event.Told), at(800, history.ByHand, event.Fault), hand, leaseAt(700, "b#1", "8"),
	})
	if got := times[4].Sub(zero); got != 690*time.Millisecond {
		t.Errorf("the hand wrote after %v, want 690ms", got)
	}
}

// In a quick succession the fault before may be the last that was seen to begin.
func TestWhatAHandWroteIsNotBeforeWhatItReplaced(t *testing.T) {
	hand := at(1000, "", event.Lease)
	hand.Record = &event.Record{}
	times := leaseTimes([]event.Event{
		at(100, history.ByHand, event.Fault), at(110, "a#1", event.Told), leaseAt(700, "b#1", "6"), hand, at(1001, history.ByHand, event.Fault),
	})
	if got := times[3].Sub(zero); got != 700*time.Millisecond {
		t.Errorf("the hand wrote after %v, want 700ms", got)
	}
	if got := times[2].Sub(zero); got != 700*time.Millisecond {
		t.Errorf("what it replaced was written after %v, want 700ms", got)
	}
}

func TestABoundIsJudgedByTheStallsThatHadBegun(t *testing.T) {
	for name, test := range map[string]struct {
		over, late time.Duration // when the stall was over, since the figure was taken, and how long it was
		fails      bool
	}{
		"too short":            {10 * time.Millisecond, 40 * time.Millisecond, true},
		"known only later":     {10 * time.Millisecond, 60 * time.Millisecond, false},
		"of the time after it": {time.Second, 60 * time.Millisecond, true},
	} {
		s := &Stage{journal: newJournal(), Timing: harness.Quick, Began: time.Now().Add(-time.Second), Stalls: &Stalls{}}
		s.Within("it", 110*time.Millisecond, 50*time.Millisecond)
		s.Stalls.late = []stall{{time.Now().Add(test.over), test.late}}
		r, _ := s.Conclude()
		if failed := strings.Contains(strings.Join(r.Failures, "\n"), "it: 110ms, at most 50ms and the machine's stall of "); failed != test.fails {
			t.Errorf("%s: failures %q", name, r.Failures)
		}
	}
}
