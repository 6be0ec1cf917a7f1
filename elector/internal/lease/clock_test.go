// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package lease

import (
	"math"
	"strings"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/utils/ptr"
)

const (
	own     = 15 * time.Second
	longest = 10 * time.Minute
)

// at returns the moment when the clocks have run for mono and show wall more than at their beginning.
func at(mono, wall time.Duration) Moment {
	return Moment{Mono: mono, Wall: time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC).Add(wall)}
}

func TestNoSettingOfTheWallClockMovesAStandbysClaim(t *testing.T) {
	seen := Observation{Known: true, Changed: at(time.Hour, time.Hour), Validity: own}
	for _, wall := range []time.Duration{0, time.Hour, -time.Hour, 24 * 365 * time.Hour} {
		for mono, want := range map[time.Duration]time.Duration{
			0: 15 * time.Second, 5 * time.Second: 10 * time.Second, 15*time.Second - 1: 1, 15 * time.Second: 0, time.Hour: 0,
		} {
			m := at(time.Hour+mono, time.Hour+mono+wall)
			if got := seen.ClaimableIn(m); got != want {
				t.Errorf("after %v, the wall clock set by %v: claimable in %v, want %v", mono, wall, got, want)
			}
		}
	}
}

func TestGuarantee10ADurationAboveTheCapCountsOnlyIfItsHolderMayBeAlive(t *testing.T) {
	d := rules{own: 20 * time.Second, longest: longest}
	m := at(time.Hour, 40*365*24*time.Hour)
	for _, c := range []struct {
		recorded *int32
		age      time.Duration // of the renewTime, by our wall clock
		renewing bool
		want     time.Duration
	}{
		{nil, 0, true, d.own},
		{ptr.To[int32](math.MinInt32), 0, true, d.own},
		{ptr.To[int32](-1), 0, false, d.own},
		{ptr.To[int32](0), 0, true, d.own},
		{ptr.To[int32](1), time.Hour, false, time.Second},
		{ptr.To[int32](15), time.Hour, false, 15 * time.Second},
		{ptr.To[int32](600), time.Hour, false, longest},
		// Its holder has not renewed, as far as was seen.
		{ptr.To[int32](3600), 0, false, time.Hour},
		{ptr.To[int32](3600), time.Hour - time.Second, false, time.Hour},
		{ptr.To[int32](3600), time.Second - time.Hour, false, time.Hour},
		{ptr.To[int32](3600), time.Hour, false, longest},
		{ptr.To[int32](3600), -time.Hour, false, longest},
		{ptr.To[int32](86400), time.Second, false, 24 * time.Hour},
		{ptr.To[int32](86401), time.Second, false, longest},
		{ptr.To[int32](math.MaxInt32), 0, false, longest},
		// It has.
		{ptr.To[int32](3600), 1000 * time.Hour, true, time.Hour},
		{ptr.To[int32](86400), 0, true, 24 * time.Hour},
		// Or somebody has written so.
		{ptr.To[int32](86401), 0, true, 24 * time.Hour},
		{ptr.To[int32](math.MaxInt32), 0, true, 24 * time.Hour},
	} {
		spec := &coordinationv1.LeaseSpec{LeaseDurationSeconds: c.recorded, RenewTime: micro(m.Wall.Add(-c.age))}
		if got := d.validity(spec, c.renewing, m); got != c.want {
			t.Errorf("recorded %v, renewTime %v ago, renewing %t: %v, want %v", ptr.Deref(c.recorded, -99), c.age, c.renewing, got, c.want)
		}
	}
	if got := d.validity(&coordinationv1.LeaseSpec{LeaseDurationSeconds: ptr.To[int32](601)}, false, m); got != longest {
		t.Errorf("601 without a renewTime: %v, want %v", got, longest)
	}
}

func TestBothClocksAreRead(t *testing.T) {
	before, m, after := time.Now(), Now(), time.Now()
	if m.Wall.Before(before.Round(0)) || m.Wall.After(after.Round(0)) {
		t.Errorf("wall clock %v, not between %v and %v", m.Wall, before, after)
	}
	if m.Mono < before.Sub(epoch) || m.Mono > after.Sub(epoch) {
		t.Errorf("monotonic clock %v, not between %v and %v", m.Mono, before.Sub(epoch), after.Sub(epoch))
	}
	// With a monotonic reading in it, Sub would not look at the wall clock.
	if strings.Contains(m.Wall.String(), "m=") {
		t.Error("the wall clock's reading has a monotonic one in it")
	}
}
