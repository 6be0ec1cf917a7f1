// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/kube-elector/elector/elector"
)

func configMap(name string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name}}
}

// queues are the kinds of queues a controller may have.
var queues = map[string]controller.Options{
	"priority queue": {},
	"plain queue":    {UsePriorityQueue: ptr.To(false)},
	"a queue of its own": {NewQueue: func(name string, limiter workqueue.TypedRateLimiter[reconcile.Request]) workqueue.TypedRateLimitingInterface[reconcile.Request] {
		return workqueue.NewTypedRateLimitingQueue(limiter)
	}},
}

// run runs the test in a bubble for each kind of queue, with a bench that has been started.
func run(t *testing.T, objects int, options []Option, test func(t *testing.T, b *bench, o controller.Options, start *begun)) {
	t.Helper()
	for name, o := range queues {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(objects, options...)
				start := begin(b.Start)
				pass(time.Second)
				test(t, b, o, start)
				start.stop()
				if err := start.wait(); err != nil {
					t.Errorf("Start: %v", err)
				}
				b.cancel()
			})
		})
	}
}

func TestControllerReconcilesEveryObjectWhenItsReplicaIsElected(t *testing.T) {
	for _, when := range []string{"before the election", "in the term", "between terms"} {
		t.Run(when, func(t *testing.T) {
			run(t, 20, []Option{WithReElection()}, func(t *testing.T, b *bench, o controller.Options, start *begun) {
				var c counter
				term := &term{}
				switch when {
				case "before the election":
					b.controller(t, "c", o, c.reconcile)
					pass(time.Second)
					if n, _ := c.take(); n != 0 {
						t.Errorf("%d reconciles on a standby", n)
					}
					term = b.begin()
				case "in the term":
					term = b.begin()
					pass(time.Second)
					b.controller(t, "c", o, c.reconcile)
				case "between terms":
					term = b.begin()
					pass(time.Second)
					term.end(elector.ErrTakenOver)
					b.controller(t, "c", o, c.reconcile)
					pass(time.Second)
					term = b.begin()
				}
				pass(50 * time.Millisecond) // no source waits for the poll of every 100 ms
				if n, objects := c.take(); n != 20 || objects != 20 {
					t.Errorf("%d reconciles of %d objects", n, objects)
				}
				b.parent.source.Add(configMap("new"))
				pass(time.Second)
				if n, _ := c.take(); n != 1 {
					t.Errorf("%d reconciles of a new object", n)
				}
				term.end(elector.ErrStopped)
			})
		})
	}
}

// A standby that collected requests would reconcile a thousand objects that are gone when it is elected.
func TestStandbyCollectsNoRequests(t *testing.T) {
	run(t, 1, []Option{WithReElection()}, func(t *testing.T, b *bench, o controller.Options, start *begun) {
		var c counter
		b.controller(t, "c", o, c.reconcile)
		comeAndGo := func() {
			for i := range 100 {
				b.parent.source.Add(configMap("gone" + string(rune('a'+i%26))))
				b.parent.source.Delete(configMap("gone" + string(rune('a'+i%26))))
			}
			pass(time.Second)
			if kept := b.parked(); kept != 0 {
				t.Errorf("the standby keeps %d requests", kept)
			}
		}
		comeAndGo()
		term := b.begin()
		pass(time.Second)
		if n, _ := c.take(); n != 1 {
			t.Errorf("%d reconciles at the first election, want that of the one object that is there", n)
		}
		term.end(elector.ErrTakenOver)
		pass(time.Second) // handlers are removed in the background
		comeAndGo()
		term = b.begin()
		pass(time.Second)
		if n, _ := c.take(); n != 1 {
			t.Errorf("%d reconciles at the second election, want that of the one object that is there", n)
		}
		term.end(elector.ErrStopped)
	})
}

// If nobody is seen to lead in between, events are heard all the time. Yet another may have led.
func TestTermThatDoesNotResumeTheLastReplaysWithoutSightOfAnotherLeader(t *testing.T) {
	run(t, 3, []Option{WithReElection()}, func(t *testing.T, b *bench, o controller.Options, start *begun) {
		var c counter
		b.controller(t, "c", o, c.reconcile)
		for range 3 {
			term := b.begin()
			pass(time.Second)
			if n, objects := c.take(); n != 3 || objects != 3 {
				t.Errorf("%d reconciles of %d objects", n, objects)
			}
			term.end(elector.ErrLeaseExpired)
			pass(time.Second)
		}
	})
}

func TestPauseGoesOnWhereItStopped(t *testing.T) {
	run(t, 3, nil, func(t *testing.T, b *bench, o controller.Options, start *begun) {
		var c counter
		began := time.Now()
		var backAt atomic.Int64
		b.controller(t, "c", o, func(ctx context.Context, r reconcile.Request) (reconcile.Result, error) {
			_, _ = c.reconcile(ctx, r)
			switch r.Name {
			case "c0":
				backAt.Store(int64(time.Since(began)))
				return reconcile.Result{RequeueAfter: time.Hour}, nil
			case "c1":
				return reconcile.Result{}, errors.New("failed")
			}
			return reconcile.Result{}, nil
		})
		term := b.begin()
		pass(59 * time.Minute)
		c.take()
		term.end(elector.ErrLeaseExpired)
		b.parent.source.Add(configMap("in the pause"))
		pass(time.Minute / 2)
		if n, _ := c.take(); n != 0 {
			t.Errorf("%d reconciles in the pause", n)
		}
		b.resumed = true
		term = b.begin()
		pass(time.Second)
		if n := c.of("c2"); n != 0 {
			t.Error("an object was reconciled again though nothing had happened to it")
		}
		if n := c.of("in the pause"); n != 1 {
			t.Errorf("%d reconciles of what was created in the pause", n)
		}
		pass(time.Hour)
		if at := time.Duration(backAt.Load()).Round(time.Minute); at != time.Hour {
			t.Errorf("reconciled again after %v, with RequeueAfter an hour", at)
		}
		// The back-off had grown to its 17 minutes by then, and a pause does not reset it.
		if n := c.of("c1"); n > 6 {
			t.Errorf("%d retries in an hour", n)
		}
		term.end(elector.ErrStopped)
	})
}
