// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package history

import (
	"slices"
	"testing"
	"time"
)

// broken returns the names of the invariants that the history violates.
func broken(h History, l Limits) (names []string) {
	for _, v := range Check(h, l) {
		if !slices.Contains(names, v.Invariant) {
			names = append(names, v.Invariant)
		}
	}
	return names
}

func wantBroken(t *testing.T, h History, l Limits, want ...string) {
	t.Helper()
	if got := broken(h, l); !slices.Equal(got, want) {
		t.Errorf("violated: %v, want %v", got, want)
	}
}

// lostTerm returns a term that expires. Its work acts until the process ends.
func lostTerm(end float64) History {
	h := History{
		at(0, "a#1", ProcessStarted), at(0, "b#1", ProcessStarted), at(0, "", FaultBegan, note("partition")),
		at(1, "a#1", LeaseWrite, wrote("", "a@1")), at(1, "a#1", TermStarted, token("1")),
		at(11, "a#1", TermCancelled, token("1"), cause("lease expired")), at(12, "a#1", Acted, token("1"), ok),
	}
	for s := 13.; s < end; s++ {
		h = append(h, at(s, "a#1", Acted, token("1"), ok))
	}
	return Merge(h, History{
		at(end, "a#1", ProcessEnded), at(16.1, "b#1", LeaseWrite, wrote("a@1", "b@2")), at(16.1, "b#1", TermStarted, token("2")),
		at(20, "b#1", LeaseWrite, wrote("b@2", "b@3")), at(25, "b#1", LeaseWrite, wrote("b@3", "b@4")), at(30, "b#1", Requests),
	})
}

func TestWorkThatIgnoresItsContextEndsWithTheProcess(t *testing.T) {
	leave := limits
	leave.Leave = 30 * sec
	wantBroken(t, lostTerm(16), leave)
	wantBroken(t, lostTerm(17), leave, "leaves")
	wantBroken(t, lostTerm(17.5), leave, "work-stops", "work-alone", "leaves")
	if got := workAlone(read(lostTerm(19)), leave); len(got) != 2 { // at 17 and 18
		t.Errorf("found %v", got)
	}
}

func TestWhatIsDoneUnderAHoldIsDoneAlone(t *testing.T) {
	h := func(given float64) History {
		return Merge(handover(), History{
			at(5, "a#1", HoldTaken, token("1")), at(6, "a#1", Served, token("1"), ok), at(given-0.1, "a#1", Served, token("1"), ok),
			at(given, "a#1", HoldGiven, token("1")),
		})
	}
	wantBroken(t, h(12), limits)
	wantBroken(t, h(14), limits, "work-alone", "release")
}

func TestStartReturnsInTime(t *testing.T) {
	leave := limits
	leave.Leave = 5 * sec
	h := Merge(handover(), History{at(6, "a#1", ProcessTold)}) // and it ended at 13
	wantBroken(t, h, leave, "leaves")
	leave.Leave = 7 * sec
	wantBroken(t, h, leave)
	leave.Leave = sec
	frozen := Merge(pause(), History{at(2.5, "a#1", ProcessTold), at(22, "a#1", ProcessEnded), at(23, "b#1", Requests)})
	wantBroken(t, frozen, leave)
}

func TestNilMeansThatTheLeaseIsNotHeld(t *testing.T) {
	limits := limits
	limits.Nil = true
	releases := func(h History) History {
		for i := range h {
			h[i].OK = h[i].OK || h[i].Kind == ProcessStarted
		}
		return h
	}
	left := func(change ...func(*Event)) History { // the process leaves its record behind
		return Merge(handover(), History{at(66, "b#1", ProcessTold), at(67, "b#1", ProcessEnded, change...)})
	}
	wantBroken(t, releases(left(ok)), limits, "nil")
	wantBroken(t, releases(left()), limits)
	wantBroken(t, left(ok), limits) // without ReleaseOnCancel
	wantBroken(t, releases(Merge(handover(), History{at(6, "a#1", ProcessTold)})), limits)

	wantBroken(t, Merge(handover(), History{at(66, "b#1", SteppedDown, ok)}), limits, "nil")
	wantBroken(t, Merge(handover(), History{at(66, "b#1", SteppedDown), at(14, "a#1", SteppedDown, ok)}), limits)

	late := History{ // won, but too late for its work
		at(0, "a#1", ProcessStarted), at(1, "a#1", ProcessTold), at(2, "a#1", LeaseWrite, wrote("", "a@1")), at(3, "a#1", ProcessEnded, ok),
	}
	wantBroken(t, late, limits, "nil")
	wantBroken(t, releases(Merge(late, History{at(1, "a", FaultBegan, note("1")), at(4, "a", FaultEnded, note("1"))})), limits, "nil")
	late[0].OK = false
	wantBroken(t, Merge(late, History{at(1, "a", FaultBegan, note("1")), at(4, "a", FaultEnded, note("1"))}), limits)
}

// refused returns a process whose requests are all refused, and which sends so many requests and logs so many lines a
// minute.
func refused(requests, lines int) History {
	h := History{
		at(0, "a#1", ProcessStarted), at(5, "a", FaultBegan, note("1"), cause(LastingBan)),
		at(950, "a", FaultBegan, note("2")), at(951, "a", FaultEnded, note("2")), at(960, "a#1", Requests, count(500)),
		at(990, "a", FaultEnded, note("1")),
	}
	for s := 60; s < 950; s += 60 {
		h = append(h, at(float64(s), "a#1", Requests, count(requests)), at(float64(s), "a#1", Logged, count(lines)))
	}
	return Merge(h)
}

func TestInALastingFaultProcessesAreCalm(t *testing.T) {
	l := Limits{Settle: 20 * sec, LeaderPerMinute: 32, StandbyPerMinute: 20, BarredPerMinute: 4, LinesPerMinute: 10, TermsPerMinute: 10}
	calmly := func(h History, want int) {
		t.Helper()
		if got := calm(read(h), l); len(got) != want {
			t.Errorf("found %v, want %d", got, want)
		}
	}
	calmly(refused(4, 10), 0)
	calmly(refused(5, 10), 1)
	calmly(refused(4, 11), 1)
	some := refused(20, 0)
	some[1].Cause = LastingSome
	calmly(some, 0)
	led := Merge(refused(32, 0), History{at(6, "a#1", TermStarted), at(990, "a#1", TermStopped)})
	calmly(led, 0)
	calmly(refused(33, 0), 1)
	var terms History
	for s := 60.; s < 900; s += 5 {
		terms = append(terms, at(s, "a#1", TermStarted), at(s+1, "a#1", TermStopped))
	}
	calmly(Merge(refused(0, 0), terms), 1)
}

// putBack returns a history in which a's record is put back while b leads, and another process claims.
func putBack(claim float64, by string) History {
	return History{
		at(0, "a#1", ProcessStarted), at(0, "b#1", ProcessStarted), at(0, "c#1", ProcessStarted),
		at(1, "a#1", LeaseWrite, wrote("", "a@1")), at(2, "a#1", LeaseWrite, wrote("a@1", "@2")),
		at(100, "b#1", LeaseWrite, wrote("@2", "b@3")), at(103, "", LeaseWrite, wrote("b@3", "a@1")),
		at(claim, by, LeaseWrite, wrote("a@1", by[:1]+"@5")),
	}
}

func TestARecordThatWasPutBackDoesNotFreeTheOneItReplaced(t *testing.T) {
	for _, c := range []struct {
		h    History
		want int
	}{
		{putBack(104, "a#1"), 1}, {putBack(114.9, "a#1"), 1}, {putBack(115.1, "a#1"), 0}, // b's time, as a knows its own record
		{putBack(115.1, "c#1"), 1}, {putBack(118.1, "c#1"), 0}, // a's time from when it was put back
		{putBack(104, "c#1"), 2},
	} {
		if got := respect(read(c.h), limits); len(got) != c.want {
			t.Errorf("claimed by %s at %v: found %v, want %d", c.h[7].Replica, c.h[7].At, got, c.want)
		}
	}
	unwell := Merge(putBack(104, "a#1"), History{at(90, "a", FaultBegan, note("1")), at(110, "a", FaultEnded, note("1"))})
	if got := respect(read(unwell), limits); len(got) != 0 {
		t.Errorf("a, which may not have seen b: found %v", got)
	}
}

func TestABlankInThePlaceOfADeletedLeaseIsNotFree(t *testing.T) {
	h := History{
		at(0, "a#1", ProcessStarted), at(0, "b#1", ProcessStarted), at(100, "a#1", LeaseWrite, wrote("", "a@1")),
		at(101, "", LeaseWrite, wrote("a@1", "")), at(101, "", LeaseWrite, wrote("", "@3")), at(101, "", LeaseWrite, wrote("@3", "@4")),
		at(102, "b#1", LeaseWrite, wrote("@4", "b@5")), at(104, "b#1", LeaseWrite, wrote("b@5", "b@6")),
	}
	h[3].After, h[4].Before = nil, nil
	for _, e := range h[4:] {
		e.After.UID = "v"
	}
	for _, e := range h[5:] {
		e.Before.UID = "v"
	}
	if got := respect(read(h), limits); len(got) != 1 {
		t.Errorf("found %v, want the claim at 102 s", got)
	}
	h[6].At, h[7].At = 115500*time.Millisecond, 117*time.Second
	if got := respect(read(h), limits); len(got) != 0 {
		t.Errorf("found %v", got)
	}
}

func TestEditsOfAnnotationsAreNoSignOfLifeNorOfAnother(t *testing.T) {
	e := at(1, "", LeaseWrite, wrote("a@1", "a@1"))
	e.After.Version = "2"
	if e.changesRecord() || e.changesHolder() {
		t.Error("a new version alone changes the record")
	}
}

func TestOnlyALivingWatchShowsARecordThatWasDeletedAtOnce(t *testing.T) {
	none := func(e Event, before bool) Event {
		if before {
			e.Before = nil
		} else {
			e.After = nil
		}
		return e
	}
	for stalled, want := range map[float64]int{90: 1, 150: 0} {
		h := Merge(History{
			at(0, "a#1", ProcessStarted), at(0, "b#1", ProcessStarted),
			none(at(130, "b#1", LeaseWrite, wrote("", "b@1")), true), none(at(165, "", LeaseWrite, wrote("b@1", "")), false),
			none(at(170, "b#1", LeaseWrite, wrote("", "b@2")), true), none(at(170.01, "", LeaseWrite, wrote("b@2", "")), false),
			none(at(200, "b#1", LeaseWrite, wrote("", "b@3")), true), at(200.005, "b#1", LeaseWrite, wrote("b@3", "b@4")),
			none(at(200.01, "", LeaseWrite, wrote("b@4", "")), false), none(at(201, "a#1", LeaseWrite, wrote("", "a@5")), true),
		}, History{at(stalled, "a", FaultBegan, note("1")), at(stalled, "a", FaultEnded, note("1"))})
		if found := respect(read(h), limits); len(found) != want {
			t.Errorf("the watch died at %v: found %v, want %d", stalled, found, want)
		}
	}
}

func TestARecordThatWasDeletedBeforeItCouldBeSeenIsNotWaitedFor(t *testing.T) {
	for claimed, want := range map[float64]int{200.02: 0, 201: 1} {
		h := History{
			at(0, "a#1", ProcessStarted), at(0, "b#1", ProcessStarted), at(200, "b#1", LeaseWrite, wrote("", "b@1")),
			at(200.01, "", LeaseWrite, wrote("b@1", "")), at(claimed, "a#1", LeaseWrite, wrote("", "a@3")),
		}
		h[3].After, h[4].Before = nil, nil
		if found := respect(read(h), limits); len(found) != want {
			t.Errorf("claimed at %v: found %v, want %d", claimed, found, want)
		}
	}
}
