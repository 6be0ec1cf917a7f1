// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"math"
	"strings"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/utils/ptr"
)

// at returns the moment when the clocks have run for mono and show wall more than at their
// beginning.
func at(mono, wall time.Duration) moment {
	return moment{mono: mono, wall: time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC).Add(wall)}
}

func TestNoClockAloneGivesTheLeaderTime(t *testing.T) {
	sent := at(time.Hour, time.Hour)
	for name, c := range map[string]struct { // 50 ms are kept for a late timer
		mono, wall, want time.Duration // since sent
	}{
		"both clocks agree":                     {3 * time.Second, 3 * time.Second, 6950 * time.Millisecond},
		"the last moment":                       {9950*time.Millisecond - 1, 9950*time.Millisecond - 1, 1},
		"the deadline":                          {9950 * time.Millisecond, 9950 * time.Millisecond, 0},
		"long after":                            {time.Hour, time.Hour, 0},
		"wall clock set forward by 1h":          {3 * time.Second, time.Hour + 3*time.Second, 0},
		"wall clock set forward by 2s":          {3 * time.Second, 5 * time.Second, 4950 * time.Millisecond},
		"wall clock set back by 1h":             {3 * time.Second, -time.Hour + 3*time.Second, 6950 * time.Millisecond},
		"wall clock set back by 1h, time is up": {10 * time.Second, -time.Hour, 0},
		"suspended for 60s":                     {0, 60 * time.Second, 0},
		"suspended for 60s after 3s":            {3 * time.Second, 63 * time.Second, 0},
		"suspended for 4s":                      {3 * time.Second, 7 * time.Second, 2950 * time.Millisecond},
	} {
		m := moment{mono: sent.mono + c.mono, wall: sent.wall.Add(c.wall)}
		if got := m.remaining(sent, DefaultRenewDeadline); got != c.want {
			t.Errorf("%s: %v remaining, want %v", name, got, c.want)
		}
	}
}

func TestNoSettingOfTheWallClockMovesAStandbysClaim(t *testing.T) {
	seen := observation{known: true, changed: at(time.Hour, time.Hour), guard: DefaultLeaseDuration}
	for _, wall := range []time.Duration{0, time.Hour, -time.Hour, 24 * 365 * time.Hour} {
		for mono, want := range map[time.Duration]time.Duration{
			0: 15 * time.Second, 5 * time.Second: 10 * time.Second, 15*time.Second - 1: 1, 15 * time.Second: 0, time.Hour: 0,
		} {
			m := at(time.Hour+mono, time.Hour+mono+wall)
			if got := seen.claimableIn(m); got != want {
				t.Errorf("after %v, the wall clock set by %v: claimable in %v, want %v", mono, wall, got, want)
			}
		}
	}
}

// overlap looks at every instant of 30 s for one when the holder of a Lease
// believes it leads and a standby that saw its last renewal in the instant it
// was sent may claim. The clocks run so much faster than time.
func overlap(leader, standby float64) (overlaps bool, led, claimed time.Duration) {
	run := func(rate float64, since time.Duration) moment {
		d := time.Duration(rate * float64(since))
		return at(d, d)
	}
	seen := observation{known: true, changed: run(standby, 0), guard: DefaultLeaseDuration}
	for since := time.Duration(0); since <= 30*time.Second; since += 10 * time.Millisecond {
		leads := run(leader, since).remaining(run(leader, 0), DefaultRenewDeadline) > 0
		claims := seen.claimableIn(run(standby, since)) == 0
		if leads {
			led = since
		}
		if claims && claimed == 0 {
			claimed = since
		}
		overlaps = overlaps || leads && claims
	}
	return overlaps, led, claimed
}

func TestGuarantee1ClocksTenPercentApartLeaveNoOverlap(t *testing.T) {
	rates := []float64{.9, .95, 1, 1.05, 1.1}
	for _, leader := range rates {
		for _, standby := range rates {
			overlaps, led, claimed := overlap(leader, standby)
			if overlaps || claimed-led < 2*time.Second {
				t.Errorf("clocks at %v and %v: the leader leads for %v, the standby claims after %v", leader, standby, led, claimed)
			}
			if led < 9*time.Second || claimed == 0 {
				t.Errorf("clocks at %v and %v: led for %v, claimed after %v: nothing was shown", leader, standby, led, claimed)
			}
		}
	}
}

// The limit that is promised is the one there is: LeaseDuration/RenewDeadline.
func TestGuarantee1TheClocksMayDifferByTheRatioOfTheDurations(t *testing.T) {
	const limit = float64(DefaultLeaseDuration) / float64(DefaultRenewDeadline)
	if overlaps, led, claimed := overlap(1, limit*.99); overlaps {
		t.Errorf("below the limit: led for %v, claimed after %v", led, claimed)
	}
	if overlaps, led, claimed := overlap(1, limit*1.01); !overlaps {
		t.Errorf("no overlap above the limit, led for %v, claimed after %v: this test cannot find one", led, claimed)
	}
}

func TestGuarantee10ADurationAboveTheCapCountsOnlyIfItsHolderMayBeAlive(t *testing.T) {
	const own = 20 * time.Second
	m := at(time.Hour, 40*365*24*time.Hour)
	for _, c := range []struct {
		recorded *int32
		age      time.Duration // of the renewTime, by our wall clock
		renewing bool
		want     time.Duration
	}{
		{nil, 0, true, own},
		{ptr.To[int32](math.MinInt32), 0, true, own},
		{ptr.To[int32](-1), 0, false, own},
		{ptr.To[int32](0), 0, true, own},
		{ptr.To[int32](1), time.Hour, false, time.Second},
		{ptr.To[int32](15), time.Hour, false, 15 * time.Second},
		{ptr.To[int32](600), time.Hour, false, MaxLeaseDuration},
		// Its holder has not renewed, as far as was seen.
		{ptr.To[int32](3600), 0, false, time.Hour},
		{ptr.To[int32](3600), time.Hour - time.Second, false, time.Hour},
		{ptr.To[int32](3600), time.Second - time.Hour, false, time.Hour},
		{ptr.To[int32](3600), time.Hour, false, MaxLeaseDuration},
		{ptr.To[int32](3600), -time.Hour, false, MaxLeaseDuration},
		{ptr.To[int32](86400), time.Second, false, 24 * time.Hour},
		{ptr.To[int32](86401), time.Second, false, MaxLeaseDuration},
		{ptr.To[int32](math.MaxInt32), 0, false, MaxLeaseDuration},
		// It has.
		{ptr.To[int32](3600), 1000 * time.Hour, true, time.Hour},
		{ptr.To[int32](86400), 0, true, 24 * time.Hour},
		// Or somebody has written so.
		{ptr.To[int32](86401), 0, true, 24 * time.Hour},
		{ptr.To[int32](math.MaxInt32), 0, true, 24 * time.Hour},
	} {
		spec := &coordinationv1.LeaseSpec{LeaseDurationSeconds: c.recorded, RenewTime: micro(m.wall.Add(-c.age))}
		if got := guard(spec, c.renewing, m, own); got != c.want {
			t.Errorf("recorded %v, renewTime %v ago, renewing %t: %v, want %v", ptr.Deref(c.recorded, -99), c.age, c.renewing, got, c.want)
		}
	}
	if got := guard(&coordinationv1.LeaseSpec{LeaseDurationSeconds: ptr.To[int32](601)}, false, m, own); got != MaxLeaseDuration {
		t.Errorf("601 without a renewTime: %v, want %v", got, MaxLeaseDuration)
	}
}

func TestBothClocksAreRead(t *testing.T) {
	before, m, after := time.Now(), now(), time.Now()
	if m.wall.Before(before.Round(0)) || m.wall.After(after.Round(0)) {
		t.Errorf("wall clock %v, not between %v and %v", m.wall, before, after)
	}
	if m.mono < before.Sub(epoch) || m.mono > after.Sub(epoch) {
		t.Errorf("monotonic clock %v, not between %v and %v", m.mono, before.Sub(epoch), after.Sub(epoch))
	}
	// With a monotonic reading in it, Sub would not look at the wall clock.
	if strings.Contains(m.wall.String(), "m=") {
		t.Error("the wall clock's reading has a monotonic one in it")
	}
}
