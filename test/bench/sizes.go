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
	serverLeases  int // with three replicas each
	serverRounds  int
	serverWindow  time.Duration
	growth        []int // Leases in a process, of which the leaders and the standbys are both in it
	growthWindow  time.Duration
	growthMoves   int // hand-overs at each size
	slowGrowth    []int
	slowTiming    timing
	frozen        int // replicas of each subject
	freeze        time.Duration
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
	serverLeases:  100,
	serverRounds:  2,
	serverWindow:  20 * time.Second,
	growth:        []int{1, 10, 100, 1000, 2000, 3000},
	growthWindow:  15 * time.Second,
	growthMoves:   20,
	slowGrowth:    []int{1000, 5000},
	slowTiming: timing{
		LeaseDuration: duration(60 * time.Second),
		RenewDeadline: duration(40 * time.Second),
		RetryPeriod:   duration(10 * time.Second),
	},
	frozen:     20,
	freeze:     30 * time.Second,
	idle:       200,
	idleRounds: 3,
	idleWindow: 30 * time.Second,
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
	serverLeases:  2,
	serverRounds:  1,
	serverWindow:  time.Second,
	growth:        []int{1, 3},
	growthWindow:  time.Second,
	growthMoves:   2,
	slowGrowth:    []int{2},
	slowTiming: timing{
		LeaseDuration: duration(4 * time.Second),
		RenewDeadline: duration(3 * time.Second),
		RetryPeriod:   duration(time.Second),
	},
	frozen:     1,
	freeze:     7 * time.Second,
	idle:       3,
	idleRounds: 1,
	idleWindow: time.Second,
}

// withSamples returns sizes for about n samples of everything that is measured event by event, or s if n is 0.
func (s sizes) withSamples(n int) sizes {
	if n == 0 {
		return s
	}
	s.lanes, s.frozen = n, n
	crowds := make([]crowd, len(s.handOver))
	for i, c := range s.handOver {
		c.lanes = min(c.lanes, n)
		c.rounds = (n + c.lanes - 1) / c.lanes
		crowds[i] = c
	}
	s.handOver = crowds
	return s
}
