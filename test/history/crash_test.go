// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package history

import (
	"slices"
	"testing"
)

func detects(e *Event) { e.Detects = true }

// crashed returns a history in which the leader dies at 60 and is reported to have at dead, and the standby takes over
// at taken.
func crashed(dead, taken float64, clear bool) History {
	h := History{
		at(0, "a#1", ProcessStarted, detects), at(0, "b#1", ProcessStarted, detects), at(0, "", FaultBegan, note("the past")),
		at(1, "a#1", LeaseWrite, wrote("", "a@1")), at(1, "", FaultEnded, note("the past")), at(1, "a#1", TermStarted, token("1")),
		at(8, "a#1", LeaseWrite, wrote("a@1", "a@2")), at(16, "a#1", LeaseWrite, wrote("a@2", "a@3")), at(24, "a#1", LeaseWrite, wrote("a@3", "a@4")),
		at(32, "a#1", LeaseWrite, wrote("a@4", "a@5")), at(40, "a#1", LeaseWrite, wrote("a@5", "a@6")), at(48, "a#1", LeaseWrite, wrote("a@6", "a@7")),
		at(58, "a#1", LeaseWrite, wrote("a@7", "a@8")), at(60, "a#1", FaultBegan, note("crash")), at(60, "a#1", ProcessEnded),
		at(dead, "a#1", Reported, func(e *Event) { e.OK = clear }),
		at(taken, "b#1", LeaseWrite, wrote("a@8", "b@9")), at(taken, "b#1", TermStarted, token("9")),
		at(taken+1, "b#1", LeaseWrite, wrote("b@9", "b@10")),
	}
	return Merge(h)
}

func TestACrashIsJudgedByWhatTheJudgeKnows(t *testing.T) {
	l := limits
	l.Grace, l.Crash, l.BetweenTerms = sec, 3*sec, 50*sec
	janitor := func(end float64) History {
		lasting := func(e *Event) { e.Cause = LastingEdit }
		return History{at(end-1, ByHand, FaultBegan, note("x"), lasting), at(end, ByHand, FaultEnded, note("x"), lasting)}
	}
	unaware := crashed(61, 62.1, true)
	for i := range unaware {
		unaware[i].Detects = false
	}
	for _, test := range []struct {
		name string
		h    History
		want []string
	}{
		{"after the grace", crashed(61, 62.1, true), nil},
		{"before the grace", crashed(61, 61.5, true), []string{"respect"}},
		{"before the report", crashed(66, 62.1, true), []string{"respect"}},
		{"soon enough", crashed(61, 63.9, true), nil},
		{"too late", crashed(61, 64.5, true), []string{"crash"}},
		{"late, with a fault", Merge(crashed(61, 64.5, true), History{at(59, "b#1", FaultBegan, note("x")), at(59.5, "b#1", FaultEnded, note("x"))}), nil},
		{"late, with an edit", Merge(crashed(61, 64.5, true), History{at(59, ByHand, FaultBegan, note("x")), at(59.5, ByHand, FaultEnded, note("x"))}), nil},
		{"late, by one that holds back", Merge(crashed(61, 64.5, true), janitor(15)), nil},
		{"late, by one that holds back no more", Merge(crashed(61, 64.5, true), janitor(10)), []string{"crash"}},
		{"late, as the report was not the only one", crashed(61, 64.5, false), nil},
		{"by one without crash detection", unaware, []string{"respect"}},
		{"the process lives", without(crashed(61, 62.1, true), 60, "a#1", ProcessEnded), []string{"one-leader", "respect"}},
	} {
		if got := broken(test.h, l); !slices.Equal(got, test.want) {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}
