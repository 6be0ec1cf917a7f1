// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package lease

import (
	"errors"
	"math/rand/v2"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

const (
	// FirstPause follows the first failure. Ordinary blips cost no more.
	FirstPause = 20 * time.Millisecond
	// LongestRetryAfter bounds how long a server can keep a candidate from asking again.
	LongestRetryAfter = time.Minute
)

// A Pace spaces attempts at one thing that fails or is over too soon. The first attempts follow each other quickly,
// later ones ever more slowly, up to a limit. It counts from beginning to beginning, so the limit bounds the rate
// however long an attempt lasts. It forgets an attempt that lasted, and everything that is long past. Only one
// goroutine may use it.
type Pace struct {
	Free   int           // how many attempts in a row may end without a pause
	First  time.Duration // the pause after the next one
	Factor int           // from one pause to the next
	Forget time.Duration // what lasts as long, or lies back as long, is forgotten

	count int // of attempts that were not forgotten
	pause time.Duration
	due   time.Duration // when the next attempt may begin, by the monotonic clock, if count is not 0
}

// Ended takes in that an attempt that began at began is over. The pause grows up to limit, and lasts at least
// retryAfter from now.
func (p *Pace) Ended(began Moment, limit, retryAfter time.Duration) {
	m := Now()
	if p.count == 0 || m.Mono-began.Mono >= p.Forget || began.Mono-p.due >= p.Forget {
		p.count, p.pause, p.due = 0, 0, began.Mono
	}
	if p.count++; p.count > p.Free {
		p.pause = min(max(time.Duration(p.Factor)*p.pause, p.First), limit)
	}
	pause := p.pause
	if pause < limit { // the first pauses set candidates apart, so the last ones can be exact
		pause = Jittered(pause, pause/4)
	}
	// An attempt that was made early pays for it afterwards.
	p.due = max(max(began.Mono, p.due)+pause, m.Mono+retryAfter)
}

// Worked takes in that the attempt that is under way was worth making early, so that it need not pay for that.
func (p *Pace) Worked(m Moment) { p.due = min(p.due, m.Mono) }

// In returns how long the next attempt must still wait at m.
func (p *Pace) In(m Moment) time.Duration {
	if p.count == 0 {
		return 0
	}
	return max(0, p.due-m.Mono)
}

// Jittered returns d, up to spread more or less. Candidates that lost the API server together must not come back
// together.
func Jittered(d, spread time.Duration) time.Duration {
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

// RetryAfter returns how long the API server is left alone after err, since it wants that, [LongestRetryAfter] at most.
func RetryAfter(err error) time.Duration {
	if hidden := new(retryAfterError); errors.As(err, &hidden) {
		return min(hidden.after, LongestRetryAfter)
	}
	seconds, _ := apierrors.SuggestsClientDelay(err)
	return min(time.Duration(seconds)*time.Second, LongestRetryAfter)
}
