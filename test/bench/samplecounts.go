// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"time"

	"github.com/kube-elector/elector/elector"
)

// sizes is how much is measured.
type sizes struct {
	timing timing
	atOnce bool // all measurements at once, which makes the figures worthless and the run short

	handOver      []crowd
	reconcile     crowd
	rolling       crowd
	lanes         int // Leases at a time, and samples, of cutoff and stolen
	requestLanes  int
	requestWindow time.Duration
	faultAnswers  int // of those there are
	idle          int // candidates in a process
	idleRounds    int
	idleWindow    time.Duration
}

// crowd is one size of the hand-over, which takes lanes × rounds samples.
type crowd struct{ standbys, lanes, rounds int }

// fullSizes are those of the published figures.
var fullSizes = sizes{
	timing: timing{
		LeaseDuration: duration(elector.DefaultLeaseDuration),
		RenewDeadline: duration(elector.DefaultRenewDeadline),
		RetryPeriod:   duration(elector.DefaultRetryPeriod),
	},
	// With more standbys there are fewer lanes, since the API server has to feed them all.
	handOver:      []crowd{{1, 40, 5}, {4, 20, 10}, {16, 10, 20}},
	reconcile:     crowd{1, 3, 8},
	rolling:       crowd{3, 20, 1},
	lanes:         50,
	requestLanes:  20,
	requestWindow: 2 * time.Minute,
	faultAnswers:  len(faultAnswers),
	idle:          200,
	idleRounds:    3,
	idleWindow:    30 * time.Second,
}

// quickSizes show that the program works, and nothing else.
var quickSizes = sizes{
	timing: timing{
		LeaseDuration: duration(3 * time.Second),
		RenewDeadline: duration(2 * time.Second),
		RetryPeriod:   duration(500 * time.Millisecond),
	},
	atOnce:        true,
	handOver:      []crowd{{1, 1, 2}, {2, 1, 1}},
	reconcile:     crowd{1, 1, 1},
	rolling:       crowd{3, 1, 1},
	lanes:         1,
	requestLanes:  1,
	requestWindow: 3 * time.Second,
	faultAnswers:  1,
	idle:          3,
	idleRounds:    1,
	idleWindow:    time.Second,
}

// withSamples returns sizes for about n samples of everything that is measured event by event, or s if n is 0.
func (s sizes) withSamples(n int) sizes {
	if n == 0 {
		return s
	}
	s.lanes = n
	crowds := make([]crowd, len(s.handOver))
	for i, c := range s.handOver {
		c.lanes = min(c.lanes, n)
		c.rounds = (n + c.lanes - 1) / c.lanes
		crowds[i] = c
	}
	s.handOver = crowds
	return s
}
