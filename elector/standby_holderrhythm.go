// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"time"

	"github.com/kube-elector/elector/elector/internal/lease"
)

// rhythm is how often a holder renews, as far as it was seen. Its RetryPeriod may be another than ours.
type rhythm struct {
	holder  string
	changed lease.Moment
	every   time.Duration
}

// saw takes in what is known of the Lease. Reads show a renewal late, by the time between two reads at most, and a
// watch that is not trusted shows nothing.
func (r *rhythm) saw(obs lease.Observation, trusted bool, reads time.Duration) {
	name := obs.Holder()
	if name == "" { // Some reads may say so while the watch shows that it goes on.
		r.changed = obs.Changed
		return
	}
	if name != r.holder {
		*r = rhythm{holder: name, changed: obs.Changed}
		return
	}
	gap := obs.Changed.Mono - r.changed.Mono
	if gap <= 0 {
		return
	}
	r.changed = obs.Changed
	if !trusted {
		gap -= reads
	}
	r.every = max(gap, r.every-r.every/8)
}

// patience returns how long a living holder may show nothing.
func (r *rhythm) patience(retryPeriod time.Duration) time.Duration {
	return max(r.every, retryPeriod) * 3 / 2
}
