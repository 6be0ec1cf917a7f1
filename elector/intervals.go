// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"time"
)

// longestSlow bounds how long a fault that is over goes unnoticed.
const longestSlow = 30 * time.Second

// slow returns the time between two attempts at something that goes on failing, and the time after which something that
// works is healthy again.
func (c Config) slow() time.Duration {
	return max(min(15*c.RetryPeriod, longestSlow), 2*c.steadyPoll())
}

// betweenTerms returns the time between two terms that end at once, again and again. Each logs two lines and records
// two Events, however short the periods are.
func (c Config) betweenTerms() time.Duration { return max(c.slow(), longestSlow) }

// attemptTimeout returns the bound of one request. It leaves room for a second attempt within RenewDeadline, so that
// one dead connection does not cost the leadership. It is client-go's own rule.
func (c Config) attemptTimeout() time.Duration { return c.RenewDeadline / 2 }

// shortAttempt returns how long the last try of something takes at most. With what follows it, it stays below a second.
func (c Config) shortAttempt() time.Duration { return min(c.attemptTimeout(), 500*time.Millisecond) }

// tick bounds how long a clock's jump goes unnoticed by the watchdog.
func (c Config) tick() time.Duration { return min(c.RetryPeriod, time.Second) }
