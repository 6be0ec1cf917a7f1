// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package history

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const sec = time.Second

var limits = Limits{
	LeaseDuration: 15 * sec, RenewDeadline: 10 * sec, RetryPeriod: 2 * sec, Unnamed: 15 * sec, MaxLease: 10 * time.Minute,
	Allowance: 5 * sec, Notice: 50 * time.Millisecond, Wake: 15 * time.Millisecond, Takeover: 5 * sec, Settle: 20 * sec,
	RequestBurst: 10, RequestsPerTry: 2,
}

// at returns an event at so many seconds.
func at(seconds float64, replica string, kind Kind, change ...func(*Event)) Event {
	e := Event{At: time.Duration(seconds * float64(sec)), Replica: replica, Kind: kind}
	for _, c := range change {
		c(&e)
	}
	return e
}

func token(t string) func(*Event) { return func(e *Event) { e.Token = t } }
func cause(c string) func(*Event) { return func(e *Event) { e.Cause = c } }
func note(n string) func(*Event)  { return func(e *Event) { e.Note = n } }
func count(n int) func(*Event)    { return func(e *Event) { e.N = n } }
func ok(e *Event)                 { e.OK = true }
func plain(e *Event)              { e.Plain = true }

// wrote returns a write from what it found to what it left, holder@version, of 15 s each and renewed at that version.
func wrote(before, after string) func(*Event) {
	record := func(s string) *Record {
		if s == "" {
			return nil
		}
		holder, version, _ := bytes.Cut([]byte(s), []byte("@"))
		return &Record{UID: "u", Version: string(version), Holder: string(holder), Renewed: string(version), Seconds: 15}
	}
	return func(e *Event) { e.Before, e.After = record(before), record(after) }
}

// handover returns a good history. Process a leads, renews, is stopped and releases while its work ends. Then b leads,
// and its term ends when an administrator takes its Lease.
func handover() History {
	return History{
		at(0, "a#1", ProcessStarted), at(0, "b#1", ProcessStarted),
		at(1, "a#1", LeaseWrite, wrote("", "a@1")), at(1, "a#1", TermStarted, token("1")),
		at(2, "a#1", Acted, token("1"), ok), at(3, "a#1", LeaseWrite, wrote("a@1", "a@2")),
		at(4, "a#1", Leading), at(5, "a#1", LeaseWrite, wrote("a@2", "a@3")), at(6, "b#1", Requests, count(12)),
		at(6, "", FaultBegan, note("1 stop a")), at(6, "a#1", TermCancelled, token("1"), cause(CauseStopped)),
		at(12, "a#1", Leading), at(12, "a#1", Acted, token("1"), ok), at(13, "a#1", WorkReturned, token("1")),
		at(13, "a#1", TermStopped, token("1")), at(13, "a#1", LeaseWrite, wrote("a@3", "@4")),
		at(13, "b#1", LeaseWrite, wrote("@4", "b@5")), at(13, "b#1", TermStarted, token("5")),
		at(13, "a#1", ProcessEnded, ok), at(14, "", FaultEnded, note("1 stop a")),
		at(15, "b#1", LeaseWrite, wrote("b@5", "b@6")), at(20, "b#1", LeaseWrite, wrote("b@6", "b@7")),
		at(28, "b#1", LeaseWrite, wrote("b@7", "b@8")), at(35, "b#1", LeaseWrite, wrote("b@8", "b@9")),
		at(40, ByHand, FaultBegan, note("2")), at(40, "", LeaseWrite, wrote("b@9", "x@10")),
		at(40, ByHand, FaultEnded, note("2")), at(40.01, "b#1", TermCancelled, token("5"), cause("lease taken over")),
		at(41, "b#1", Acted, token("5"), ok), at(42, "b#1", WorkReturned, token("5")), at(42, "b#1", TermStopped, token("5")),
		at(55.1, "b#1", LeaseWrite, wrote("x@10", "b@11")), at(55.1, "b#1", TermStarted, token("11")),
		at(60, "b#1", LeaseWrite, wrote("b@11", "b@12")), at(65, "b#1", LeaseWrite, wrote("b@12", "b@13")), at(70, "b#1", Leading),
	}
}

// pause returns a good history, too. Process a is frozen while it leads, b takes over, and a wakes up and acts once
// before it knows.
func pause() History {
	return History{
		at(0, "a#1", ProcessStarted), at(0, "b#1", ProcessStarted),
		at(1, "a#1", LeaseWrite, wrote("", "a@1")), at(1, "a#1", TermStarted, token("1")),
		at(2, "a#1", Frozen), at(16.2, "b#1", LeaseWrite, wrote("a@1", "b@2")), at(16.2, "b#1", TermStarted, token("2")),
		at(17, "b#1", Acted, token("2"), ok), at(20, "a#1", Thawed), at(20.001, "a#1", Leading),
		at(20.002, "a#1", Acted, token("1")), at(20.003, "a#1", TermCancelled, token("1"), cause("lease expired")),
		at(20.004, "a#1", WorkReturned, token("1")), at(20.005, "a#1", TermStopped, token("1")),
		at(21, "b#1", LeaseWrite, wrote("b@2", "b@3")),
	}
}

func TestGoodHistoriesHaveNoViolation(t *testing.T) {
	for name, h := range map[string]History{"handover": handover(), "pause": pause(), "empty": nil} {
		for _, v := range Check(h, limits) {
			t.Errorf("%s: %v", name, v)
		}
	}
	if got, want := CountZombies(pause(), limits), (Zombies{Woken: 1, Acts: 1, Longest: 2 * time.Millisecond}); got != want {
		t.Errorf("zombies %+v, want %+v", got, want)
	}
}

// without leaves out the events of a kind and process from a time on.
func without(h History, from float64, replica string, kinds ...Kind) History {
	return slices.DeleteFunc(h, func(e Event) bool {
		return e.At.Seconds() >= from && e.Replica == replica && slices.Contains(kinds, e.Kind)
	})
}

func TestEachInvariantFindsWhatBreaksIt(t *testing.T) {
	for _, bad := range []struct {
		invariant, name string
		h               History
	}{
		{"one-leader", "two terms", Merge(handover(), History{
			at(20, "c#1", ProcessStarted), at(21, "c#1", TermStarted, token("7")), at(22, "c#1", TermCancelled),
		})},
		{"one-leader", "beside a client-go process that acquired later", History{
			at(0, "a#1", ProcessStarted), at(0, "p#1", ProcessStarted, plain), at(1, "a#1", LeaseWrite, wrote("", "a@1")),
			at(1, "a#1", TermStarted), at(2, "p#1", LeaseWrite, wrote("a@1", "p@2")), at(3, "p#1", TermStarted), at(60, "p#1", Requests)}},
		{"one-leader", "IsLeader beside another's term", Merge(handover(), History{at(14, "a#1", Leading)})},
		{"one-leader", "woken, and still does not know", Merge(pause(), History{at(20.1, "a#1", Leading)})},
		{"ends-in-time", "no renewal", without(handover(), 16, "b#1", LeaseWrite)},
		{"ends-in-time", "a late renewal", append(handover()[:7:7], at(16, "a#1", LeaseWrite, wrote("a@3", "a@4")))},
		{"ends-in-time", "IsLeader lies", Merge(handover(), History{at(55, "b#1", Leading)})},
		{"ends-on-notice", "leads on", Merge(without(handover(), 40.005, "b#1", TermCancelled, WorkReturned, TermStopped, TermStarted, LeaseWrite),
			History{at(42, "b#1", TermCancelled, cause("lease taken over"))})},
		{"work-stops", "works on", Merge(handover(), History{at(45.1, "b#1", Acted, token("5"), ok)})},
		{"work-stops", "works on after a drain", Merge(handover(), History{at(18.1, "a#1", Acted, token("1"))})},
		{"work-stops", "a zombie for a second", Merge(pause(), History{at(21, "a#1", Acted, token("1"))})},
		{"callbacks", "stopped without a start", Merge(handover(), History{at(0.5, "a#1", TermStopped)})},
		{"callbacks", "stopped twice", Merge(handover(), History{at(45, "b#1", TermStopped)})},
		{"callbacks", "two terms of one process", Merge(handover(), History{at(14, "b#1", TermStarted, token("6"))})},
		{"callbacks", "stopped before the work returned", without(handover(), 0, "a#1", WorkReturned)},
		{"tokens-rise", "the same token", Merge(handover(), History{at(59, "b#1", TermStarted, token("11"))})},
		{"tokens-rise", "another's token", Merge(handover(), History{at(45, "b#1", TermStarted, token("10"))})},
		{"fence", "a late write", Merge(handover(), History{at(41.5, "a#1", Acted, token("1"), ok)})},
		{"release", "another's", Merge(handover(), History{at(16, "a#1", LeaseWrite, wrote("b@6", "@7"))})},
		{"release", "while the work runs", Merge(handover(), History{at(30, "b#1", LeaseWrite, wrote("b@8", "@9"))})},
		{"release", "by deletion", Merge(handover(), History{at(30, "b#1", LeaseWrite, wrote("b@8", ""))})},
		{"respect", "claimed early", Merge(handover(), History{at(35, "c#1", ProcessStarted), at(37, "c#1", LeaseWrite, wrote("b@9", "c@9"))})},
		{"respect", "created again early", append(handover()[:7:7], at(25, "a#1", LeaseWrite, wrote("a@3", "a@4")),
			at(26, "", LeaseWrite, wrote("a@4", "")), at(27, "b#1", LeaseWrite, wrote("", "b@6")))},
		{"kept", "lost for nothing", Merge(without(handover(), 60, "b#1", Leading), History{at(69, "b#1", TermCancelled, cause("lease expired"))})},
		{"kept", "not lost at all", append(handover()[:7:7], at(5.5, "", FaultBegan, note("1")),
			at(5.6, "a#1", TermCancelled, token("1"), cause(CauseTakenOver)))},
		{"progress", "nobody claims", append(handover()[:32:32], at(100, "b#1", Requests))},
		{"requests", "too many", Merge(handover(), History{at(7, "b#1", Requests, count(12))})},
	} {
		t.Run(bad.invariant+": "+bad.name, func(t *testing.T) {
			i := slices.IndexFunc(All(), func(i Invariant) bool { return i.Name == bad.invariant })
			if i < 0 {
				t.Fatal("no such invariant")
			}
			if len(All()[i].check(read(bad.h), limits)) == 0 {
				t.Error("not found")
			}
		})
	}
}

func TestEveryInvariantHasABadHistory(t *testing.T) {
	names := map[string]bool{}
	for _, i := range All() {
		if i.Says == "" || names[i.Name] {
			t.Errorf("%q: no sentence, or a name twice", i.Name)
		}
		names[i.Name] = true
	}
}

func TestPlainClientGoIsJudgedOnlyWhenAsked(t *testing.T) {
	h := append(History{at(0, "p#1", ProcessStarted, plain), at(1, "p#1", TermStopped)}, handover()...)
	if found := Check(Merge(h), limits); len(found) > 0 {
		t.Errorf("found %v", found)
	}
	strict := limits
	strict.JudgePlain = true
	if len(Check(Merge(h), strict)) == 0 {
		t.Error("nothing found")
	}
}

// A process of plain client-go that is restarted under its Identity says that it leads as soon as it has read the
// record of the process before, and may be wrong. That it leads later, for another reason, is not the fault of the
// process that led then.
func TestWhoSaysThatItLeadsBeforeItsTermIsToBlameItself(t *testing.T) {
	h := History{
		at(0, "a#1", ProcessStarted), at(0, "p#2", ProcessStarted, plain), at(1, "a#1", LeaseWrite, wrote("", "a@1")),
		at(1, "a#1", TermStarted, token("1")), at(2, "p#2", Leading), at(3, "", LeaseWrite, wrote("a@1", "@2")),
		at(3, "p#2", LeaseWrite, wrote("@2", "p@3")), at(3, "p#2", TermStarted), at(10, "a#1", TermCancelled, cause("lease expired")),
	}
	if found := oneLeader(read(h), limits); len(found) > 0 {
		t.Errorf("found %v", found)
	}
	strict := limits
	strict.JudgePlain = true
	if len(oneLeader(read(h), strict)) != 1 {
		t.Error("not found when plain client-go is judged")
	}
	h[4].At = 4 * sec // in its term, which an administrator has given it
	if found := oneLeader(read(Merge(h)), strict); len(found) > 0 {
		t.Errorf("in its term: found %v", found)
	}
}

// At one instant a client-go process acquires, another blanks its record, as client-go does, and an Elector takes the
// blank record.
func TestAtOneInstantTheLeaseTellsWhoCameFirst(t *testing.T) {
	h := History{
		at(0, "a#1", ProcessStarted), at(0, "p#1", ProcessStarted, plain), at(0, "q#1", ProcessStarted, plain),
		at(1, "p#1", LeaseWrite, wrote("", "p@1")), at(1, "q#1", LeaseWrite, wrote("p@1", "@2")),
		at(1, "a#1", LeaseWrite, wrote("@2", "a@3")), at(1, "a#1", TermStarted, token("3")), at(1, "p#1", TermStarted),
		at(5, "a#1", Leading), at(10, "p#1", TermCancelled), at(10, "p#1", WorkReturned), at(10, "p#1", TermStopped),
	}
	if found := oneLeader(read(h), limits); len(found) > 0 {
		t.Errorf("found %v", found)
	}
	strict := limits
	strict.JudgePlain = true
	if len(oneLeader(read(h), strict)) == 0 {
		t.Error("not found when plain client-go is judged")
	}
}

// A client-go process acquires and its reply is late. An administrator blanks the record, an Elector takes it, and then
// the reply comes.
func TestWhoHearsLateThatItLeadsMayHaveBegunFirst(t *testing.T) {
	h := History{
		at(0, "a#1", ProcessStarted), at(0, "p#1", ProcessStarted, plain), at(1, "p#1", LeaseWrite, wrote("", "p@1")),
		at(2, "", LeaseWrite, wrote("p@1", "@2")), at(2, "a#1", LeaseWrite, wrote("@2", "a@3")), at(2, "a#1", TermStarted, token("3")),
		at(3, "p#1", TermStarted), at(4, "a#1", Leading), at(8, "p#1", TermCancelled), at(8, "p#1", WorkReturned), at(8, "p#1", TermStopped),
	}
	if found := oneLeader(read(h), limits); len(found) > 0 {
		t.Errorf("found %v", found)
	}
}

func TestAReleasedLeaseIsFreeWhenItIsDeleted(t *testing.T) {
	h := History{
		at(0, "a#1", ProcessStarted), at(0, "b#1", ProcessStarted), at(200, "b#1", LeaseWrite, wrote("", "b@1")),
		at(201, "b#1", LeaseWrite, wrote("b@1", "@2")), at(202, "", LeaseWrite, wrote("@2", "")), at(202, "a#1", LeaseWrite, wrote("", "a@3")),
	}
	h[4].After, h[5].Before = nil, nil
	if found := respect(read(h), limits); len(found) > 0 {
		t.Errorf("found %v", found)
	}
}

func TestAHandThatRemovesARecordExcusesItsWriterForRenewDeadline(t *testing.T) {
	h := History{
		at(0, "a#1", ProcessStarted), at(0, "b#1", ProcessStarted), at(1, "a#1", LeaseWrite, wrote("", "a@1")),
		at(1, "a#1", TermStarted, token("1")), at(2, "", LeaseWrite, wrote("a@1", "@2")),
		at(2.1, "b#1", LeaseWrite, wrote("@2", "b@3")), at(2.1, "b#1", TermStarted, token("3")),
		at(10, "a#1", TermCancelled, cause("lease expired")),
	}
	if found := oneLeader(read(h), limits); len(found) > 0 {
		t.Errorf("found %v", found)
	}
	h[len(h)-1].At = 13 * sec
	if len(oneLeader(read(h), limits)) == 0 {
		t.Error("excused for longer than RenewDeadline")
	}
}
