// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package history

import (
	"slices"
	"testing"
)

func TestARecordThatStandsIsWaitedForByWhoStartsLater(t *testing.T) {
	forever := at(2, "", LeaseWrite, wrote("", "x@1"))
	forever.After.Seconds = 1<<31 - 1
	h := History{
		at(0, "a#1", ProcessStarted), forever, at(300, "a#1", ProcessEnded), at(301, "a#2", ProcessStarted),
		at(610, "a", FaultBegan, note("1")), at(611, "a", FaultEnded, note("1")),
		at(901, "a#2", LeaseWrite, wrote("x@1", "a@2")), at(901, "a#2", TermStarted, token("2")), at(1000, "a#2", Requests),
	}
	if found := progress(read(h), limits); len(found) > 0 {
		t.Errorf("found %v", found)
	}
	late := slices.Concat(h[:6], History{at(1300, "a#2", Requests)})
	if len(progress(read(late), limits)) == 0 {
		t.Error("waited for longer than MaxLease, and that was not found")
	}
	// It is no different if the record is deleted meanwhile. But a process that starts then has nothing to wait for.
	gone := at(609, "", LeaseWrite, wrote("x@1", ""))
	h[6].Before = nil
	h = slices.Insert(h, 4, gone)
	if found := progress(read(h), limits); len(found) > 0 {
		t.Errorf("deleted: found %v", found)
	}
	if got, want := longest(h[:5], limits, gone.At+limits.MaxLease), limits.LeaseDuration; got != want {
		t.Errorf("MaxLease after it was deleted it is waited for %v, want %v", got, want)
	}
}

func TestALongRecordIsWaitedForInFullIfItsHolderRenewedIt(t *testing.T) {
	once, again := at(2, "", LeaseWrite, wrote("", "x@1")), at(20, "", LeaseWrite, wrote("x@1", "x@2"))
	for _, e := range []*Event{&once, &again} {
		e.After.Seconds = 1<<31 - 1
	}
	if got := longest(History{once}, limits, again.At); got != limits.MaxLease {
		t.Errorf("one that nobody renewed is waited for %v, want %v", got, limits.MaxLease)
	}
	if got := longest(History{once, again}, limits, 3600*sec); got != maxRenewed {
		t.Errorf("one that was renewed is waited for %v, want %v", got, maxRenewed)
	}
}

// A replica that lost three terms one after the other waits before the fourth, and may be the only one that can lead.
func TestWhoLostThreeTermsInARowMayHoldBack(t *testing.T) {
	l := limits
	l.BetweenTerms = 60 * sec
	lost := func(started, over float64, n string) History {
		return History{
			at(started, "a#1", TermStarted, token(n)), at(over, "a#1", TermCancelled, token(n), cause("lease deleted")),
			at(over, "a#1", WorkReturned, token(n)), at(over, "a#1", TermStopped),
		}
	}
	three := slices.Concat(
		History{at(0, "a#1", ProcessStarted)}, lost(1, 20, "1"), lost(21, 22, "2"), lost(23, 25, "3"),
		History{at(19, "a", FaultBegan, note("1")), at(25, "a", FaultEnded, note("1")), at(84, "a#1", TermStarted, token("4")), at(100, "a#1", Requests)},
	)
	if found := progress(read(Merge(three)), l); len(found) > 0 {
		t.Errorf("found %v", found)
	}
	two := slices.Concat(three[:5], three[9:])
	if len(progress(read(Merge(two)), l)) == 0 {
		t.Error("it waited after two terms, and that was not found")
	}
	four := slices.Concat(three[:len(three)-2], History{at(80, "a", FaultBegan, note("2"))}, lost(84, 86, "4"),
		History{at(86, "a", FaultEnded, note("2")), at(143, "a#1", TermStarted, token("5")), at(160, "a#1", Requests)})
	if found := progress(read(Merge(four)), l); len(found) > 0 {
		t.Errorf("after a fourth, found %v", found)
	}
	four[len(four)-2].At = 155 * sec
	if len(progress(read(Merge(four)), l)) == 0 {
		t.Error("it waited for longer than it may after a fourth, and that was not found")
	}
	three[len(three)-2].At = 95 * sec
	if len(progress(read(Merge(three)), l)) == 0 {
		t.Error("it waited for longer than it may, and that was not found")
	}
}
