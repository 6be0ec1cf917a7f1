// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"fmt"
	"testing"
	"time"
)

// share returns a quantile, and 0 where nothing was measured.
func share(all []time.Duration, percent int) time.Duration {
	if len(all) == 0 {
		return 0
	}
	return quantile(all, percent)
}

// measureThroughput measures how much more R replicas reconcile than one, each with one worker, where a reconcile takes
// 5 ms and each object is due again at once.
func measureThroughput(t *testing.T) {
	const window = 10 * time.Second
	for _, n := range []int{64, 256} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			c := newCrew(t, n)
			c.workers, c.takes, c.again = 1, 5*time.Millisecond, time.Millisecond
			createMany(t, c.namespace, measuredObjects)
			var one float64
			for r := 1; r <= 4; r++ {
				c.join(fmt.Sprint("r", r))
				c.balanced()
				time.Sleep(2 * time.Second) // the queues fill
				c.mu.Lock()
				before, began := c.total, time.Now()
				c.mu.Unlock()
				time.Sleep(window)
				c.mu.Lock()
				rate := float64(c.total-before) / time.Since(began).Seconds()
				c.mu.Unlock()
				if r == 1 {
					one = rate
				}
				t.Logf("N=%d, R=%d: %.0f reconciles/s, %.2f times one replica's", n, r, rate, rate/one)
				if rate < 0.9*float64(r)*one {
					t.Errorf("N=%d, R=%d: %.2f times the work of one replica", n, r, rate/one)
				}
			}
		})
	}
}

// measureMoves measures how long shares take to be even again, and for how long nobody serves a shard.
func measureMoves(t *testing.T) {
	for _, n := range []int{64, 256} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			c := newCrew(t, n)
			c.workers, c.takes = 10, 5*time.Millisecond
			createMany(t, c.namespace, measuredObjects)
			// step judges how long it takes, and that no shard moves that need not.
			step := func(what string, fewest int, change func()) {
				t.Helper()
				c.mu.Lock()
				c.gaps, c.firsts, c.moves = nil, nil, 0
				clear(c.gave)
				c.mu.Unlock()
				began := time.Now()
				change()
				c.balanced()
				balanced := time.Now()
				c.caughtUp(measuredObjects)
				c.mu.Lock()
				defer c.mu.Unlock()
				took := balanced.Sub(c.moved) // a replica that joins has to start before
				if what == "one leaves" {
					took = balanced.Sub(began)
				}
				if what != "the first starts" && (took > 300*time.Millisecond+c.takes || share(c.gaps, 99) > 50*time.Millisecond) {
					t.Errorf("N=%d, %s: balanced after %v, want 300 ms and the drain; unserved p99 %v, want 50 ms", n, what, took, share(c.gaps, 99))
				}
				if c.moves != fewest {
					t.Errorf("N=%d, %s: %d shards moved, want %d", n, what, c.moves, fewest)
				}
				t.Logf("N=%d, %s: balanced after %v, %v after the first move, all reconciled %v later; %d moves, "+
					"unserved p50 %v, p99 %v, max %v; taken to first reconcile p50 %v, p99 %v",
					n, what, balanced.Sub(began).Round(time.Millisecond), balanced.Sub(c.moved).Round(time.Millisecond),
					time.Since(balanced).Round(time.Millisecond), c.moves, share(c.gaps, 50), share(c.gaps, 99), share(c.gaps, 100),
					share(c.firsts, 50), share(c.firsts, 99))
			}
			step("the first starts", n, func() { c.join("r1") })
			step("a second joins", n/2, func() { c.join("r2") })
			step("a third joins", n/3, func() { c.join("r3") })
			last := (*mate)(nil)
			step("a fourth joins", n/4, func() { last = c.join("r4") })
			step("one leaves", n/4, func() { c.leave(last) })
		})
	}
}
