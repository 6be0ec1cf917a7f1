// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"errors"
	"math/rand/v2"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

const (
	// firstPause follows the first failure. Ordinary blips cost no more.
	firstPause = 20 * time.Millisecond
	// longestSlow bounds how long a fault that is over goes unnoticed.
	longestSlow = 30 * time.Second
	// longestRetryAfter bounds how long a server can keep a candidate from asking again.
	longestRetryAfter = time.Minute
	// freshPolls is how many polls follow each other within 1.2 RetryPeriods when the watch has
	// failed. Most hand-overs come in groups, as in a rollout.
	freshPolls = 20
)

// slow returns the time between two attempts at something that goes on failing, and the time after
// which something that works is healthy again.
func (c Config) slow() time.Duration {
	return max(min(15*c.RetryPeriod, longestSlow), 2*c.steadyPoll())
}

// betweenTerms returns the time between two terms that end at once, again and again. Each logs two
// lines and records two Events, however short the periods are.
func (c Config) betweenTerms() time.Duration { return max(c.slow(), longestSlow) }

// steadyPoll returns the time between two reads of a standby that cannot watch. With an attempt to
// open the watch every slow this makes 19 requests per minute at the defaults.
func (c Config) steadyPoll() time.Duration { return c.RetryPeriod * 7 / 4 }

// pollInterval returns the time from the nth poll to the next.
func (c Config) pollInterval(n int) time.Duration {
	if n < freshPolls {
		return jittered(c.RetryPeriod*11/10, c.RetryPeriod/10)
	}
	return c.steadyPoll()
}

// A pace spaces attempts at one thing that fails or is over too soon. The first attempts follow each
// other quickly, later ones ever more slowly, up to a limit. It counts from beginning to beginning,
// so the limit bounds the rate however long an attempt lasts. It forgets an attempt that lasted, and
// everything that is long past. Only one goroutine may use it.
type pace struct {
	free   int           // how many attempts in a row may end without a pause
	first  time.Duration // the pause after the next one
	factor int           // from one pause to the next
	forget time.Duration // what lasts as long, or lies back as long, is forgotten

	count int // of attempts that were not forgotten
	pause time.Duration
	due   time.Duration // when the next attempt may begin, by the monotonic clock, if count is not 0
}

// ended takes in that an attempt that began at began is over. The pause grows up to limit, and
// lasts at least retryAfter from now.
func (p *pace) ended(began moment, limit, retryAfter time.Duration) {
	m := now()
	if p.count == 0 || m.mono-began.mono >= p.forget || began.mono-p.due >= p.forget {
		p.count, p.pause, p.due = 0, 0, began.mono
	}
	if p.count++; p.count > p.free {
		p.pause = min(max(time.Duration(p.factor)*p.pause, p.first), limit)
	}
	pause := p.pause
	if pause < limit { // the first pauses set candidates apart, so the last ones can be exact
		pause = jittered(pause, pause/4)
	}
	// An attempt that was made early pays for it afterwards.
	p.due = max(max(began.mono, p.due)+pause, m.mono+min(retryAfter, longestRetryAfter))
}

// in returns how long the next attempt must still wait at m.
func (p *pace) in(m moment) time.Duration {
	if p.count == 0 {
		return 0
	}
	return max(0, p.due-m.mono)
}

// jittered returns d, up to spread more or less. Candidates that lost the API server together must
// not come back together.
func jittered(d, spread time.Duration) time.Duration {
	if spread <= 0 {
		return d
	}
	return d - spread + rand.N(2*spread) //nolint:gosec // not a secret
}

// retryAfterError is an answer whose Retry-After client-go was not shown.
type retryAfterError struct {
	error
	after time.Duration
}

func (e *retryAfterError) Unwrap() error { return e.error }

// retryAfter returns how long the API server wants to be left alone after err.
func retryAfter(err error) time.Duration {
	if hidden := new(retryAfterError); errors.As(err, &hidden) {
		return hidden.after
	}
	seconds, _ := apierrors.SuggestsClientDelay(err)
	return time.Duration(seconds) * time.Second
}
