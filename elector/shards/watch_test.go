// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package shards

import (
	"errors"
	"testing"
	"time"

	"github.com/kube-elector/elector/elector"
	"github.com/kube-elector/elector/elector/leasetest"
)

func TestTheWatchIsOpenedAgain(t *testing.T) {
	for name, fault := range map[string]func(w *world, m *member){
		"expired":                 func(_ *world, m *member) { m.client.ExpireWatches() },
		"cut":                     func(_ *world, m *member) { m.client.CutWatches() },
		"cut, history gone":       func(w *world, m *member) { w.server.Compact(); m.client.CutWatches() },
		"silent":                  func(_ *world, m *member) { m.client.StallWatches() },
		"silent, and then others": func(w *world, m *member) { m.client.StallWatches(); w.server.Compact() },
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, 8, func(w *world) {
				a, b := w.two()
				fault(w, a)
				fault(w, b)
				c := w.member("c").start()
				w.settled(8*time.Second, a, b, c)
				w.server.ResetRequests()
				w.pass(time.Minute)
				if sent := w.server.Requests("a", "list"); sent > 0 {
					t.Errorf("%d lists in a minute after", sent)
				}
			})
		})
	}
}

func TestWithoutPermissionToWatchTheSetIsListed(t *testing.T) {
	inWorld(t, 8, func(w *world) {
		members := []*member{w.member("a"), w.member("b"), w.member("c")}
		for _, m := range members {
			m.client.Intercept(func(op leasetest.Op) leasetest.Fault {
				if op.Verb == "watch" && op.Name == "" {
					return leasetest.Fault{Err: errForbidden}
				}
				return leasetest.Fault{}
			})
		}
		members[0].start()
		members[1].start()
		w.settled(10*time.Second, members[:2]...)
		members[2].start()
		w.settled(12*time.Second, members...)
		w.server.ResetRequests()
		w.pass(10 * time.Minute)
		if sent := w.server.Requests("a", "list"); sent > 200 {
			t.Errorf("%d lists in ten minutes, want 200 at most", sent)
		}
		if !w.balanced(members...) {
			t.Error(w.history())
		}
	})
}

func TestWithoutAnyPermissionRequestsAreFew(t *testing.T) {
	inWorld(t, 8, func(w *world) {
		a := w.member("a")
		a.client.Fail(errForbidden, -1)
		a.start()
		w.pass(time.Minute)
		w.server.ResetRequests()
		w.pass(10 * time.Minute)
		if sent := w.server.Requests("a", ""); sent > 45 {
			t.Errorf("%d requests in ten minutes, want 45 at most", sent)
		}
		a.client.Heal()
		w.settled(35*time.Second, a)
	})
}

// A buffering proxy accepts watches and delivers nothing.
func TestShardsMoveThoughWatchesAreBuffered(t *testing.T) {
	inWorld(t, 8, func(w *world) {
		a, b := w.two()
		for _, m := range []*member{a, b} {
			m.client.DelayWatches(time.Hour)
		}
		w.pass(30 * time.Second)
		c := w.member("c").start()
		w.settled(12*time.Second, a, b, c)
		w.server.ResetRequests()
		w.pass(10 * time.Minute)
		if sent := w.server.Requests("a", "list"); sent > 200 {
			t.Errorf("%d lists in ten minutes, want 200 at most", sent)
		}
	})
}

// Whoever cannot see the set cannot know that an administrator has deleted a shard.
func TestABlindReplicaGivesUpItsShards(t *testing.T) {
	inWorld(t, 8, func(w *world) {
		w.drain = time.Second
		a, b := w.two()
		a.client.Intercept(refuse(errForbidden, "list", "watch"))
		a.client.CutWatches()
		moves := w.movesIn(func() { w.pass(15 * time.Second); w.settled(2*time.Second, b) })
		if moves != 4 || !w.logged(ErrBlind.Error()) {
			t.Errorf("%d shards moved\n%s", moves, w.history())
		}
		w.pass(time.Minute)
		if !w.balanced(b) {
			t.Errorf("the blind replica has shards\n%s", w.history())
		}
		a.client.Heal()
		w.settled(40*time.Second, a, b)
	})
}

// A token source or an exec plugin hangs: the request outlasts its context.
func TestARequestThatHangsIsNotWaitedFor(t *testing.T) {
	inWorld(t, 8, func(w *world) {
		a, b := w.two()
		a.client.Partition()
		a.client.IgnoreContexts()
		w.pass(11 * time.Second)
		if held := a.Held(); len(held) > 0 || !w.logged("lease expired") {
			t.Errorf("held %v\n%s", held, w.history())
		}
		w.settled(10*time.Second, b)
		a.stop()
		if err := a.result(35 * time.Second); !errors.Is(err, elector.ErrRequestHung) {
			t.Errorf("Start returned %v", err)
		}
	})
}
