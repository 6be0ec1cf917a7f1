// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"math/rand/v2"
	"time"

	"github.com/kube-elector/elector/elector/internal/lease"
)

const (
	// raceLeast is how long a candidate stands back at most after one lost race, about the time of two claims. It doubles
	// with each further one in a row, up to raceMost.
	raceLeast = 8 * time.Millisecond
	raceMost  = 64 * time.Millisecond
	// raceMemory is for how long a lost race counts.
	raceMemory = 10 * time.Minute
)

// races makes candidates that lose many races for a free Lease claim a little later, by chance. Where many contend,
// claims that are sent at once only delay the one that wins. Those that have just joined or led go first, so one nearly
// always claims at once, and the others follow if none does. Only Start's goroutine uses it.
type races struct {
	lost int          // in a row
	last lease.Moment // when the last of them was lost

	current <-chan struct{} // closed at the end of the race under way
	begins  time.Duration   // when this candidate takes part in it, by the monotonic clock
}

// in returns how long this candidate still stands back from the race that ends when changed is closed.
func (r *races) in(changed <-chan struct{}, m lease.Moment) time.Duration {
	if r.current != changed {
		r.current, r.begins = changed, m.Mono
		if r.lost > 0 && m.Mono-r.last.Mono >= raceMemory {
			r.lost = 0
		}
		if r.lost > 0 {
			r.begins += rand.N(min(raceLeast<<min(r.lost-1, 10), raceMost)) //nolint:gosec // not a secret
		}
	}
	return max(0, r.begins-m.Mono)
}

// seen takes in what is known until changed. If another has the Lease now, the race under way was lost before this
// candidate took part in it.
func (r *races) seen(obs lease.Observation, changed <-chan struct{}) {
	if r.current == nil || r.current == changed {
		return
	}
	r.current = nil
	if obs.Holder() != "" && !obs.Ours {
		r.lose()
	}
}

func (r *races) lose() { r.lost, r.last, r.current = r.lost+1, lease.Now(), nil }

func (r *races) win() { *r = races{} }
