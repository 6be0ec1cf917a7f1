// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package shards

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kube-elector/elector/elector/leasetest"
)

type (
	leaseOp    = leasetest.Op
	leaseFault = leasetest.Fault
)

func TestAReplicaWithAnotherNumberOfShardsRefuses(t *testing.T) {
	inWorld(t, 8, func(w *world) {
		a, b := w.two()
		moves := w.movesIn(func() {
			stranger := w.memberOf(16, "stranger").start()
			if err := stranger.result(4 * time.Second); !errors.Is(err, ErrCount) {
				t.Errorf("Start returned %v", err)
			}
			if stranger.Healthz(nil) == nil {
				t.Error("the stranger is healthy")
			}
			w.pass(time.Minute)
		})
		if moves > 0 || !w.balanced(a, b) {
			t.Errorf("%d shards moved\n%s", moves, w.history())
		}
	})
}

// Sessions are claimed in an order. The second of two sees the first.
func TestOfTwoNumbersThatStartTogetherOneAtMostGoesOn(t *testing.T) {
	for _, ahead := range []time.Duration{0, 100 * time.Microsecond, time.Millisecond, 2 * time.Millisecond, 3 * time.Millisecond, 10 * time.Millisecond} {
		inWorld(t, 8, func(w *world) {
			a, b := w.memberOf(8, "a"), w.memberOf(16, "b")
			for _, m := range []*member{a, b} {
				m.client.Latency(time.Millisecond, time.Millisecond)
				m.client.DelayWatches(time.Millisecond)
			}
			a.start()
			drain(ahead)
			b.start()
			w.pass(time.Minute)
			if len(a.Held()) > 0 && len(b.Held()) > 0 || len(a.Held())+len(b.Held()) == 0 {
				t.Errorf("%v ahead: a has %v, b has %v", ahead, a.Held(), b.Held())
			}
		})
	}
}

// The old replicas lose their sessions in an outage. One with another number that
// comes then must not get in between.
func TestAnOutageDoesNotMixNumbers(t *testing.T) {
	inWorld(t, 8, func(w *world) {
		a, b := w.two()
		a.crash()
		b.crash()
		w.pass(5 * time.Second)
		c := w.memberOf(16, "c").start()
		w.pass(11 * time.Second)
		a.client.CutWatches()
		b.client.CutWatches()
		a.client.Heal()
		b.client.Heal()
		w.pass(time.Minute)
		if (len(a.Held()) > 0 || len(b.Held()) > 0) && len(c.Held()) > 0 {
			t.Errorf("a has %v, b %v, c %v", a.Held(), b.Held(), c.Held())
		}
	})
}

// The way to change the number: new replicas try until the last old one has gone.
func TestTheNumberOfShardsIsChangedByATry(t *testing.T) {
	inWorld(t, 8, func(w *world) {
		a, b := w.two()
		ctx, cancel := context.WithCancel(w.t.Context())
		w.t.Cleanup(cancel)
		next := w.memberOf(16, "c")
		done := make(chan error, 1)
		go func() { done <- untilTheOthersLeft(ctx, w, next) }()
		w.pass(10 * time.Second)
		a.stop()
		w.settled(time.Second, b)
		w.pass(5 * time.Second)
		if w.count(next) > 0 {
			t.Errorf("two numbers at once\n%s", w.history())
		}
		b.stop()
		took := w.until(5*time.Second, "the new replica has all shards", func() bool { return w.count(next) == 16 })
		t.Logf("all shards are served %v after the last old replica was stopped", took)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		synctest.Wait()
	})
}

// untilTheOthersLeft is what doc.go says.
func untilTheOthersLeft(ctx context.Context, w *world, m *member) error {
	for {
		err := m.Start(ctx)
		if !errors.Is(err, ErrCount) {
			return err
		}
		drain(time.Second)
		m.Shards = w.again(m).Shards
	}
}
