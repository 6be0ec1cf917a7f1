// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package shards

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// requests returns how many requests a replica has sent, by their verbs.
func (m *member) requests() string {
	text := ""
	for _, verb := range []string{"get", "list", "watch", "create", "update", "patch", "delete"} {
		if n := m.w.server.Requests(m.id, verb); n > 0 {
			text += fmt.Sprintf(" %d %s", n, verb)
		}
	}
	return text
}

// step lets replicas join or leave, and checks that the shards move as few times as can be, are balanced soon, and that
// none is left unserved for long.
func (w *world) step(what string, fewest int, change func(), members ...*member) {
	w.t.Helper()
	w.pass(3 * time.Second)
	w.server.ResetRequests()
	began := time.Now()
	moves := w.movesIn(func() {
		change()
		took := w.settled(10*time.Second, members...)
		w.pass(time.Second)
		p50, p99, longest := w.worst(began)
		w.t.Logf("N=%d, %s: balanced after %v; %d changed hands unserved for %v p50, %v p99, %v at most;%s",
			w.n, what, took, fewest, p50, p99, longest, members[0].requests())
		if limit := 300*time.Millisecond + w.drain; took > limit {
			w.t.Errorf("N=%d, %s: balanced after %v, want %v", w.n, what, took, limit)
		}
		if p99 > 50*time.Millisecond {
			w.t.Errorf("N=%d, %s: unserved beyond the drain for %v, want 50ms", w.n, what, p99)
		}
	})
	if moves != fewest {
		w.t.Errorf("N=%d, %s: %d moves, want %d", w.n, what, moves, fewest)
	}
}

func TestShardsMoveSeldomAndFast(t *testing.T) {
	for _, n := range []int{16, 64, 256} {
		inWorld(t, n, func(w *world) {
			w.drain = 100 * time.Millisecond
			a, b, c, d := w.distant("a"), w.distant("b"), w.distant("c"), w.distant("d")
			a.start()
			w.settled(2*time.Second, a)
			w.step("second joins", n/2, func() { b.start() }, a, b)
			w.step("third joins", n/3, func() { c.start() }, a, b, c)
			w.step("fourth joins", n/4, func() { d.start() }, a, b, c, d)
			w.step("one leaves", n/4, func() { d.stop() }, a, b, c)
			left := w.count(c)
			w.step("another leaves", left, func() { c.stop() }, a, b)
		})
	}
}

func TestManyShardsMoveFastToo(t *testing.T) {
	const n = 1024
	inWorld(t, n, func(w *world) {
		a, b := w.distant("a").start(), w.distant("b").start()
		w.settled(2*time.Second, a, b)
		c := w.distant("c")
		w.step("third joins", n/3, func() { c.start() }, a, b, c)
		left := w.count(c)
		w.step("one leaves", left, func() { c.stop() }, a, b)
	})
}

// distant makes a replica whose requests and watch events take 1 ms each way.
func (w *world) distant(id string) *member {
	m := w.member(id)
	m.client.Latency(time.Millisecond, time.Millisecond)
	m.client.DelayWatches(time.Millisecond)
	return m
}

// count returns how many shards the member serves.
func (w *world) count(m *member) int {
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, owner := range w.owner {
		if owner == m {
			n++
		}
	}
	return n
}

func TestRequestsDoNotGrowWithTheNumberOfShards(t *testing.T) {
	for _, n := range []int{1, 64, 512} {
		inWorld(t, n, func(w *world) {
			members := []*member{w.member("a").start(), w.member("b").start(), w.member("c").start()}
			w.settled(2*time.Second, members...)
			w.pass(time.Minute)
			w.server.ResetRequests()
			w.pass(5 * time.Minute)
			for _, m := range members {
				if sent := w.server.Requests(m.id, ""); sent > 160 || sent != w.server.Requests(m.id, "update") {
					t.Errorf("N=%d: %s sent%s in five minutes, want 160 updates at most and nothing else", n, m.id, m.requests())
				}
				if watches := m.client.Watches(); watches != 2 {
					t.Errorf("N=%d: %s has %d watches, want 2", n, m.id, watches)
				}
			}
			if !slices.ContainsFunc(members, func(m *member) bool { return len(m.Held()) > 0 }) {
				t.Error("no shard is held")
			}
		})
	}
}
