// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// day is when the tests' histories begin.
var day = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// at returns a moment of a history, in milliseconds from its beginning.
func at(ms int) time.Time { return day.Add(time.Duration(ms) * time.Millisecond) }

// h returns an event of a history.
func h(ms int, replica string, k kind, token string) event {
	return event{At: at(ms), Replica: replica, Kind: k, Token: token}
}

// threeChanges returns a history as the demo makes it.
func threeChanges() []event {
	return []event{
		h(0, "a", up, ""), h(1, "b", up, ""), h(2, "c", up, ""),
		h(100, "a", leading, "10"), h(101, "a", worked, "10"),
		h(1000, "a", terminated, ""), h(1005, "a", stopped, "10"),
		h(1020, "b", leading, "20"), h(1022, "b", worked, "20"),
		h(1030, "a", exited, ""), h(1040, "a", up, ""),
		h(1900, "b", renewed, ""), h(2000, "b", killed, ""), h(2001, "b", exited, ""), h(2820, "b", reported, ""),
		h(4920, "c", leading, "30"), h(4940, "c", worked, "30"), h(4950, "b", up, ""),
		h(5900, "c", renewed, ""), h(6000, "c", frozen, ""),
		h(8910, "a", leading, "40"), h(8912, "a", worked, "40"),
		h(9000, "a", renewed, ""), h(10000, "c", woken, ""), h(10004, "c", stopped, "30"),
	}
}

func ms(d time.Duration) int { return int(d.Milliseconds()) }

func TestChangesAreMeasuredFromTheEndOfTheOldLeadersWork(t *testing.T) {
	found, err := changes(threeChanges())
	if err != nil {
		t.Fatal(err)
	}
	type row struct {
		fault, from, to string
		gap, toWork     int
		sinceRenewal    int
	}
	want := []row{
		{"clean stop", "a", "b", 15, 17, 0},
		{"crash", "b", "c", 2920, 2940, 3020},
		{"freeze", "c", "a", 2910, 2912, 3010},
	}
	var got []row
	for _, c := range found {
		r := row{c.Fault.name(), c.From, c.To, ms(c.Gap()), ms(c.ToWork()), 0}
		if !c.Renewed.IsZero() {
			r.sinceRenewal = ms(c.Began.Sub(c.Renewed))
		}
		got = append(got, r)
	}
	if !slices.Equal(got, want) {
		t.Errorf("found\n%+v, want\n%+v", got, want)
	}
}

func TestChangesDoNotDependOnTheOrderOfArrival(t *testing.T) {
	want, err := changes(threeChanges())
	if err != nil {
		t.Fatal(err)
	}
	backwards := threeChanges()
	slices.Reverse(backwards)
	got, err := changes(backwards)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("backwards it is\n%+v, %v, want\n%+v", got, err, want)
	}
}

func TestWorkReportedBeforeTheLeadingItBelongsToIsFound(t *testing.T) {
	found, err := changes([]event{
		h(0, "a", leading, "1"), h(10, "a", stopped, "1"), h(15, "b", worked, "2"), h(16, "b", leading, "2"),
	})
	if err != nil || len(found) != 1 || ms(found[0].ToWork()) != 5 {
		t.Errorf("found %+v, %v, want one change with 5 ms to the work", found, err)
	}
}

func TestHistoriesThatMustNotBeAreFound(t *testing.T) {
	for name, test := range map[string]struct {
		history []event
		want    string // of the error
	}{
		"a second leader": {
			[]event{h(0, "a", leading, "1"), h(10, "b", leading, "2"), h(20, "a", stopped, "1")},
			"b began to lead while a led",
		},
		"a second leader that works while the first is told to stop": {
			[]event{h(0, "a", leading, "1"), h(5, "a", terminated, ""), h(10, "b", leading, "2"), h(20, "a", stopped, "1")},
			"b began to lead while a led",
		},
		"the same leader twice without an end": {
			[]event{h(0, "a", leading, "1"), h(10, "a", leading, "2")},
			"a began to lead while a led",
		},
		"a frozen leader that led on": {
			[]event{h(0, "a", leading, "1"), h(5, "a", frozen, ""), h(8, "a", woken, ""), h(10, "b", leading, "2")},
			"b began to lead while a led",
		},
		"a token again": {
			[]event{h(0, "a", leading, "7"), h(10, "a", stopped, "7"), h(20, "b", leading, "7")},
			"the token of b, 7, is not higher than 7",
		},
		"a token that falls": {
			[]event{h(0, "a", leading, "10"), h(10, "a", killed, ""), h(20, "b", leading, "9")},
			"the token of b, 9, is not higher than 10",
		},
		"no token": {
			[]event{h(0, "a", leading, "10"), h(10, "a", killed, ""), h(20, "b", leading, "")},
			"the tokens of a and b",
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := changes(test.history)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("the error is %v, want one that says %q", err, test.want)
			}
		})
	}
}

func TestHistoriesWithoutAChangeHaveNone(t *testing.T) {
	for name, history := range map[string][]event{
		"empty":        nil,
		"no leader":    {h(0, "a", up, ""), h(1, "b", up, ""), h(2, "a", stopped, "")},
		"one leader":   {h(0, "a", leading, "1"), h(10, "b", killed, ""), h(20, "b", exited, "")},
		"briefly cold": {h(0, "a", leading, "1"), h(10, "a", frozen, ""), h(20, "a", woken, ""), h(30, "a", stopped, "1")},
	} {
		t.Run(name, func(t *testing.T) {
			if found, err := changes(history); err != nil || len(found) > 0 {
				t.Errorf("found %+v, %v, want nothing", found, err)
			}
		})
	}
}

func TestBriefFreezeDoesNotCountAsTheEnd(t *testing.T) {
	found, err := changes([]event{
		h(0, "a", leading, "1"), h(10, "a", frozen, ""), h(20, "a", woken, ""),
		h(500, "a", terminated, ""), h(510, "a", stopped, "1"), h(525, "b", leading, "2"),
	})
	if err != nil || len(found) != 1 || ms(found[0].Gap()) != 15 || found[0].Fault != terminated {
		t.Errorf("found %+v, %v, want a clean stop with a gap of 15 ms", found, err)
	}
}
