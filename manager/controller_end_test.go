// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/kube-elector/elector/elector"
)

func TestEndOfATermWaitsForItsRequests(t *testing.T) {
	run(t, 2, nil, func(t *testing.T, b *bench, o controller.Options, start *begun) {
		mayReturn := make(chan struct{})
		causes := make(chan error, 2)
		o.MaxConcurrentReconciles = 2
		b.controller(t, "c", o, func(ctx context.Context, _ reconcile.Request) (reconcile.Result, error) {
			<-ctx.Done()
			<-mayReturn
			causes <- context.Cause(ctx)
			return reconcile.Result{}, nil
		})
		term := b.begin()
		pass(time.Second)
		term.cancel(elector.ErrLeaseExpired)
		pass(time.Minute)
		select {
		case <-term.done:
			t.Fatal("the term has ended while its requests are running")
		default:
		}
		if got, want := b.Running(), []string{`controller "c" reconciling ns/c0, ns/c1`}; !slices.Equal(got, want) {
			t.Errorf("running: %q, want %q", got, want)
		}
		close(mayReturn)
		<-term.done
		for range 2 {
			if cause := <-causes; cause != elector.ErrLeaseExpired {
				t.Errorf("a request's context ended with %v", cause)
			}
		}
	})
}

func TestRequestThatIsCutShortIsRepeated(t *testing.T) {
	for name, outcome := range map[string]error{"an error": context.Canceled, "nothing": nil, "a terminal error": reconcile.TerminalError(errors.New("x"))} {
		t.Run(name, func(t *testing.T) {
			run(t, 1, nil, func(t *testing.T, b *bench, o controller.Options, start *begun) {
				var began, ended int
				b.controller(t, "c", o, func(ctx context.Context, _ reconcile.Request) (reconcile.Result, error) {
					if began++; began > 1 {
						ended++
						return reconcile.Result{}, nil
					}
					<-ctx.Done()
					return reconcile.Result{}, outcome
				})
				term := b.begin()
				pass(time.Second)
				term.end(elector.ErrLeaseExpired)
				pass(time.Minute)
				if began != 1 {
					t.Fatalf("%d reconciles begun by the end of the term", began)
				}
				b.resumed = true
				term = b.begin()
				pass(time.Minute)
				if ended != 1 {
					t.Errorf("%d reconciles in the next term", ended)
				}
				term.end(elector.ErrStopped)
			})
		})
	}
}

// With UsePriorityQueue off, controller-runtime's workers empty the queue after it was shut down.
func TestNoReconcileBeginsAfterTheEndOfATerm(t *testing.T) {
	run(t, 100, nil, func(t *testing.T, b *bench, o controller.Options, start *begun) {
		var n atomic.Int64
		b.controller(t, t.Name(), o, func(ctx context.Context, _ reconcile.Request) (reconcile.Result, error) {
			n.Add(1)
			<-ctx.Done()
			return reconcile.Result{}, nil
		})
		term := b.begin()
		pass(time.Second)
		term.end(elector.ErrStopped)
		start.stop()
		pass(time.Minute)
		if counted := measured(t, "controller_runtime_reconcile_total", t.Name()); n.Load() != 1 || counted != 1 {
			t.Errorf("%d reconciles, %v are counted", n.Load(), counted)
		}
		for _, metric := range []string{"workqueue_depth", "controller_runtime_active_workers"} {
			if v := measured(t, metric, t.Name()); v != 0 {
				t.Errorf("%s is %v at the end", metric, v)
			}
		}
	})
}

func TestManyTermsLeaveNothingBehind(t *testing.T) {
	run(t, 10, []Option{WithReElection()}, func(t *testing.T, b *bench, o controller.Options, start *begun) {
		var c counter
		b.controller(t, "c", o, c.reconcile)
		var goroutines [100]int
		for i := range goroutines {
			term := b.begin()
			pass(time.Second)
			goroutines[i] = runtime.NumGoroutine()
			term.end(elector.ErrTakenOver)
			pass(time.Second)
		}
		// What a term leaves behind is there 98 times. Goroutines of Go's own and of earlier tests come and go.
		if was, is := goroutines[1], goroutines[99]; is > was+10 {
			t.Errorf("%d goroutines in the second term, %d in the last", was, is)
		}
		if n, objects := c.take(); n != 1000 || objects != 10 {
			t.Errorf("%d reconciles of %d objects in 100 terms", n, objects)
		}
		if d := measured(t, "workqueue_depth", "c"); d != 0 {
			t.Errorf("workqueue_depth is %v", d)
		}
	})
}

// Sources whose events cannot be replayed lose none.
func TestWhatCannotBeReplayedIsKept(t *testing.T) {
	run(t, 2, nil, func(t *testing.T, b *bench, o controller.Options, start *begun) {
		var c counter
		made := b.controller(t, "c", o, c.reconcile)
		// As in WatchesRawSource(source.Kind(otherCluster.GetCache(), …)).
		err := made.Watch(source.Kind(b.parent.GetCache(), &corev1.ConfigMap{}, &handler.TypedEnqueueRequestForObject[*corev1.ConfigMap]{}))
		if err != nil {
			t.Fatal(err)
		}
		pass(time.Second)
		b.parent.source.Delete(configMap("c0"))
		pass(time.Second)
		term := b.begin()
		pass(time.Second)
		if c.of("c0") != 1 || c.of("c1") == 0 {
			t.Errorf("%d and %d reconciles, want those of the object that was deleted too", c.of("c0"), c.of("c1"))
		}
		term.end(elector.ErrStopped)
	})
}

// coldBlooded is a run-once runnable whose Warmup does what it is told.
type coldBlooded struct{ warmup func(context.Context) error }

func (coldBlooded) Start(ctx context.Context) error    { <-ctx.Done(); return nil }
func (c coldBlooded) Warmup(ctx context.Context) error { return c.warmup(ctx) }
