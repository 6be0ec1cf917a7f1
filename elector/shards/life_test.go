// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package shards

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kube-elector/elector/elector"
)

func TestAShardIsReleasedOnlyAfterItsWorkHasReturned(t *testing.T) {
	inWorld(t, 8, func(w *world) {
		a := w.member("a")
		a.work = func(ctx context.Context, _ int) {
			<-ctx.Done()
			drain(20 * time.Second) // longer than any lease
		}
		a.start()
		w.settled(time.Second, a)
		b := w.member("b").start()
		w.pass(19 * time.Second)
		for i := range 8 {
			if got := holder(w.shardLease(i)); got != "a" {
				t.Errorf("shard %d is %q's while a works", i, got)
			}
		}
		w.settled(2*time.Second, a, b)
		a.stop()
		w.pass(19 * time.Second)
		if len(b.Held()) != 4 {
			t.Errorf("b has %v", b.Held())
		}
		w.settled(2*time.Second, b)
		if err := a.result(time.Second); err != nil {
			t.Error(err)
		}
	})
}

func TestWorkThatDoesNotStopIsNamed(t *testing.T) {
	inWorld(t, 8, func(w *world) {
		release := make(chan struct{})
		a := w.member("a")
		var stuck atomic.Int64
		stuck.Store(-1)
		a.work = func(ctx context.Context, shard int) {
			<-ctx.Done()
			if errors.Is(context.Cause(ctx), ErrGivenBack) {
				stuck.Store(int64(shard))
				<-release
			}
		}
		a.start()
		w.settled(time.Second, a)
		b := w.member("b").start()
		err := a.result(45 * time.Second)
		if !errors.Is(err, elector.ErrDrainTimeout) || !strings.Contains(err.Error(), "shard") || stuck.Load() < 0 {
			t.Errorf("Start returned %v", err)
		}
		if a.Healthz(nil) == nil {
			t.Error("the replica is healthy")
		}
		if got := holder(w.shardLease(int(stuck.Load()))); got != "a" {
			t.Errorf("shard %d is %q's while its work runs", stuck.Load(), got)
		}
		if len(b.Held()) < 4 {
			t.Errorf("those that stopped were not given back\n%s", w.history())
		}
		close(release)
		w.settled(20*time.Second, b)
	})
}

func TestStartReturnsThoughNothingCanBeReleased(t *testing.T) {
	inWorld(t, 8, func(w *world) {
		a, _ := w.two()
		a.crash()
		w.pass(time.Second)
		a.stop()
		_ = a.result(31 * time.Second)
	})
}

var errWork = errors.New("work failed")

func TestAPanicIsPassedOnAndLeavesNothingRenewed(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		config := testConfig("a")
		a, err := New(&config, 2, w.server.Client("a"), Callbacks{OnStarted: func(ctx context.Context, shard int) {
			if shard == 1 {
				panic(errWork)
			}
			<-ctx.Done()
		}}, w.logger("a"))
		if err != nil {
			t.Fatal(err)
		}
		thrown := make(chan any, 1)
		go func() {
			defer func() { thrown <- recover() }()
			_ = a.Start(w.t.Context())
		}()
		err, _ = (<-thrown).(error)
		if err == nil || !strings.Contains(err.Error(), "work failed") {
			t.Errorf("thrown: %v", err)
		}
		if a.Healthz(nil) == nil {
			t.Error("the replica is healthy")
		}
		before := w.sessionLease("a").Spec.RenewTime
		w.pass(5 * time.Second)
		if !w.sessionLease("a").Spec.RenewTime.Equal(before) {
			t.Error("the session is renewed")
		}
		b := w.member("b").start()
		w.settled(20*time.Second, b)
	})
}

func TestWithoutElectionOneReplicaHasAllShards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		started, stopped := make(chan int, 8), make(chan int, 8)
		s, err := New(&elector.Config{}, 4, nil, Callbacks{
			OnStarted: func(ctx context.Context, shard int) {
				if term, ok := elector.TermFromContext(ctx); !ok || term.Token != "" || term.Remaining() == 0 {
					t.Errorf("the term is %+v", term)
				}
				started <- shard
			},
			OnStopped: func(shard int) { stopped <- shard },
		}, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.Start(ctx) }()
		synctest.Wait()
		if held := s.Held(); !slices.Equal(held, []int{0, 1, 2, 3}) || len(started) != 4 || len(stopped) != 0 {
			t.Errorf("held %v, %d started, %d stopped", held, len(started), len(stopped))
		}
		cancel()
		if err := <-done; err != nil || len(stopped) != 4 || len(s.Held()) != 0 {
			t.Errorf("Start returned %v, %d stopped, held %v", err, len(stopped), s.Held())
		}
	})
}

func TestStartRunsOnce(t *testing.T) {
	inWorld(t, 4, func(w *world) {
		a := w.member("a").start()
		w.settled(time.Second, a)
		if err := a.Start(w.t.Context()); !errors.Is(err, elector.ErrAlreadyStarted) {
			t.Errorf("the second Start returned %v", err)
		}
		if err := a.Healthz(nil); err != nil {
			t.Error(err)
		}
	})
}

func TestInvalidArgumentsAreAllReported(t *testing.T) {
	_, err := New(&elector.Config{Enabled: true, LeaseName: strings.Repeat("a", 240), LeaseNamespace: "ns", RetryPeriod: -1}, 0, nil, Callbacks{}, nil)
	for _, want := range []string{"n: 0", "LeaseName", "RetryPeriod", "clientset"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in: %v", want, err)
		}
	}
	if _, err := New(nil, 1, nil, Callbacks{}, nil); err == nil {
		t.Error("a nil config is accepted")
	}
}

func TestAHoldKeepsAShardFromBeingReleased(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		a := w.member("a").start()
		w.settled(time.Second, a)
		releases := map[int]func(){}
		for i := range 2 {
			term, _ := a.Term(i)
			release, ok := term.Hold()
			if !ok {
				t.Fatal("no hold")
			}
			releases[i] = release
		}
		b := w.member("b").start()
		w.pass(10 * time.Second)
		if w.count(b) != 0 {
			t.Errorf("a shard has moved though it is held\n%s", w.history())
		}
		for _, release := range releases {
			release()
		}
		w.settled(time.Second, a, b)
	})
}

func TestAShardThatIsResumedSaysSo(t *testing.T) {
	inWorld(t, 4, func(w *world) {
		a := w.member("a").start()
		w.settled(time.Second, a)
		if term, _ := a.Term(0); term.Resumed {
			t.Error("the first term is resumed")
		}
		a.crash()
		w.pass(30 * time.Second)
		a.client.Heal()
		w.settled(10*time.Second, a)
		if term, _ := a.Term(0); !term.Resumed || term.Transitions != 1 || term.Identity != "a" {
			t.Errorf("the term after the outage is %+v", term)
		}
	})
}

// It has never seen the session that the record names, and its own LeaseDuration is shorter than that of the holder.
func TestAReplicaOfAShorterLeaseDurationWaitsForWhatTheRecordSays(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.drain = 25 * time.Second
		b := w.member("b", func(c *elector.Config) { c.LeaseDuration, c.RenewDeadline = time.Minute, 30*time.Second })
		b.start()
		w.settled(time.Second, b)
		w.pass(5 * time.Second)
		w.takeAway(0)              // and the work takes its time to end
		a := w.member("a").start() // the shard would be a's
		w.settled(75*time.Second, a)
	})
}
