// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
)

// moment is one reading of both clocks. They are kept apart because each lies
// in its own way: the monotonic clock stands still while the machine is
// suspended, the wall clock jumps when it is set.
type moment struct {
	mono time.Duration
	wall time.Time
}

// epoch is only a zero for moment.mono; no one looks at its value.
var epoch = time.Now()

func now() moment {
	t := time.Now()
	return moment{mono: t.Sub(epoch), wall: t.Round(0)}
}

// leaderSince returns how long a leader must take the time since s to have been, which is the
// longer of what its clocks show. A wall clock that jumps ahead, or a machine that was suspended,
// may cost it a term. A wall clock that jumps back gives it nothing.
func (m moment) leaderSince(s moment) time.Duration {
	return max(m.mono-s.mono, m.wall.Sub(s.wall))
}

// standbySince returns how long a standby may take the time since s to have been, which is what the
// monotonic clock shows. No setting of the wall clock makes it claim early or wait longer.
func (m moment) standbySince(s moment) time.Duration {
	return m.mono - s.mono
}

// remaining returns how long a term whose last acknowledged write was sent at sent is still certain
// at m. No other candidate claims before the Lease has been unchanged for LeaseDuration since it
// saw that write, and so not before sent+LeaseDuration.
func (m moment) remaining(sent moment, renewDeadline time.Duration) time.Duration {
	return max(0, renewDeadline-reaction(renewDeadline)-m.leaderSince(sent))
}

// reaction returns the part of RenewDeadline that is kept for a late timer on a busy machine, so
// that the work's context ends by the deadline and not after it. It is 1 %, and at most 50 ms.
func reaction(renewDeadline time.Duration) time.Duration {
	return min(renewDeadline/100, 50*time.Millisecond)
}

// maxPlausible is the longest recorded duration that is honoured at all. An administrator or a tool
// that writes a renewTime into a Lease looks like its holder renewing, and the field has room for 68
// years.
const maxPlausible = 24 * time.Hour

// guard returns how long a holder's record must not be claimed after its holder was last seen to
// write, at m. That is the duration it records, or own if it records none. One above
// [MaxLeaseDuration] counts only if its holder is renewing, and then for maxPlausible at most, or if
// it is at most maxPlausible and the record's renewTime lies within it by our wall clock: the first
// renewal may be due after MaxLeaseDuration.
func guard(spec *coordinationv1.LeaseSpec, renewing bool, m moment, own time.Duration) time.Duration {
	if spec.LeaseDurationSeconds == nil || *spec.LeaseDurationSeconds <= 0 {
		return own
	}
	recorded := time.Duration(*spec.LeaseDurationSeconds) * time.Second
	if recorded <= MaxLeaseDuration || renewing {
		return min(recorded, maxPlausible)
	}
	if t := spec.RenewTime; t != nil && recorded <= maxPlausible && m.wall.Sub(t.Time).Abs() < recorded {
		return recorded
	}
	return MaxLeaseDuration
}
