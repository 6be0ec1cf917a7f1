// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"testing"
	"time"

	"github.com/kube-elector/elector/elector/internal/lease"
)

// at returns the moment when the clocks have run for mono and show wall more than at their beginning.
func at(mono, wall time.Duration) lease.Moment {
	return lease.Moment{Mono: mono, Wall: time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC).Add(wall)}
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
		m := lease.Moment{Mono: sent.Mono + c.mono, Wall: sent.Wall.Add(c.wall)}
		if got := remaining(m, sent, DefaultRenewDeadline); got != c.want {
			t.Errorf("%s: %v remaining, want %v", name, got, c.want)
		}
	}
}

// overlap looks at every instant of 30 s for one when the holder of a Lease believes it leads and a standby that saw
// its last renewal in the instant it was sent may claim. The clocks run so much faster than time.
func overlap(leader, standby float64) (overlaps bool, led, claimed time.Duration) {
	run := func(rate float64, since time.Duration) lease.Moment {
		d := time.Duration(rate * float64(since))
		return at(d, d)
	}
	seen := lease.Observation{Known: true, Changed: run(standby, 0), Validity: DefaultLeaseDuration}
	for since := time.Duration(0); since <= 30*time.Second; since += 10 * time.Millisecond {
		leads := remaining(run(leader, since), run(leader, 0), DefaultRenewDeadline) > 0
		claims := seen.ClaimableIn(run(standby, since)) == 0
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
