// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package lease

import "time"

// A Moment is one reading of both clocks. They are kept apart because each lies in its own way: the monotonic clock
// stands still while the machine is suspended, the wall clock jumps when it is set.
type Moment struct {
	Mono time.Duration
	Wall time.Time
}

// epoch is only a zero for Moment.Mono; no one looks at its value.
var epoch = time.Now()

// Now returns the present moment.
func Now() Moment {
	t := time.Now()
	return Moment{Mono: t.Sub(epoch), Wall: t.Round(0)}
}

// LeaderSince returns how long a leader must take the time since s to have been, which is the longer of what its clocks
// show. A wall clock that jumps ahead, or a machine that was suspended, may cost it a term. A wall clock that jumps
// back gives it nothing.
func (m Moment) LeaderSince(s Moment) time.Duration {
	return max(m.Mono-s.Mono, m.Wall.Sub(s.Wall))
}

// StandbySince returns how long a standby may take the time since s to have been, which is what the monotonic clock
// shows. No setting of the wall clock makes it claim early or wait longer.
func (m Moment) StandbySince(s Moment) time.Duration {
	return m.Mono - s.Mono
}
