// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"time"

	"github.com/kube-elector/elector/elector/internal/lease"
)

// freshPolls is how many polls follow each other within 1.2 RetryPeriods when the watch has failed. Most hand-overs
// come in groups, as in a rollout.
const freshPolls = 20

// steadyPoll returns the time between two reads of a standby that cannot watch. With an attempt to open the watch every
// slow this makes 19 requests per minute at the defaults.
func (c Config) steadyPoll() time.Duration { return c.RetryPeriod * 7 / 4 }

// pollInterval returns the time from the nth poll to the next. After a claim in vain there may be claims in between.
func (c Config) pollInterval(n int, vain bool) time.Duration {
	switch {
	case vain:
		return 2 * c.RetryPeriod
	case n < freshPolls:
		return lease.Jittered(c.RetryPeriod*11/10, c.RetryPeriod/10)
	}
	return c.steadyPoll()
}
