// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"time"

	"github.com/kube-elector/elector/elector/internal/lease"
)

const (
	// longestSlow bounds how long a fault that is over goes unnoticed.
	longestSlow = 30 * time.Second
	// freshPolls is how many polls follow each other within 1.2 RetryPeriods when the watch has failed. Most hand-overs
	// come in groups, as in a rollout.
	freshPolls = 20
)

// slow returns the time between two attempts at something that goes on failing, and the time after which something that
// works is healthy again.
func (c Config) slow() time.Duration {
	return max(min(15*c.RetryPeriod, longestSlow), 2*c.steadyPoll())
}

// betweenTerms returns the time between two terms that end at once, again and again. Each logs two lines and records
// two Events, however short the periods are.
func (c Config) betweenTerms() time.Duration { return max(c.slow(), longestSlow) }

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

// attemptTimeout returns the bound of one request. It leaves room for a second attempt within RenewDeadline, so that
// one dead connection does not cost the leadership. It is client-go's own rule.
func (c Config) attemptTimeout() time.Duration { return c.RenewDeadline / 2 }

// shortAttempt returns how long the last try of something takes at most. With what follows it, it stays below a second.
func (c Config) shortAttempt() time.Duration { return min(c.attemptTimeout(), 500*time.Millisecond) }

// tick bounds how long a clock's jump goes unnoticed by the watchdog.
func (c Config) tick() time.Duration { return min(c.RetryPeriod, time.Second) }
