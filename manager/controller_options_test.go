// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/kube-elector/elector/elector"
)

func TestControllerThatCannotBeGatedIsNamedWhenItIsAdded(t *testing.T) {
	wrap := func(c controller.Controller) manager.Runnable { return struct{ controller.Controller }{c} }
	typed, err := controller.NewTypedUnmanaged("typed", controller.TypedOptions[string]{
		SkipNameValidation: ptr.To(true),
		Reconciler:         reconcile.TypedFunc[string](func(context.Context, string) (reconcile.Result, error) { return reconcile.Result{}, nil }),
	})
	if err != nil {
		t.Fatal(err)
	}
	plain, err := controller.NewUnmanaged("plain", controller.Options{Reconciler: (&counter{}).asFunc(), SkipNameValidation: ptr.To(true)})
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		r     manager.Runnable
		gated bool
		lines int
	}{
		"its own":      {plain, true, 0},
		"wrapped":      {wrap(plain), false, 1},
		"another type": {typed, false, 1},
		"a function":   {manager.RunnableFunc(nil), false, 0},
		"a nil struct": {(*stubborn)(nil), false, 0},
		"by another":   {gatedElsewhere(t), false, 1},
	} {
		var buffer logged
		g := NewGate(jsonLogger(&buffer))
		if err := g.Add(test.r); err != nil {
			t.Fatal(err)
		}
		if g.work.gated != test.gated {
			t.Errorf("%s: gated %v", name, g.work.gated)
		}
		if lines := decode(t, buffer.String()); len(lines) != test.lines {
			t.Errorf("%s: logged %v", name, lines)
		}
	}
}

// gatedElsewhere returns a controller of another Gate.
func gatedElsewhere(t *testing.T) manager.Runnable {
	c, err := controller.NewUnmanaged("elsewhere", controller.Options{Reconciler: (&counter{}).asFunc(), SkipNameValidation: ptr.To(true)})
	if err != nil {
		t.Fatal(err)
	}
	mustAdd(t, NewGate(quiet), c)
	return c
}

func TestGatedOptionsGateAnyRequestType(t *testing.T) {
	for name, o := range map[string]controller.TypedOptions[string]{
		"priority queue": {},
		"plain queue":    {UsePriorityQueue: ptr.To(false)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(0)
				defer b.cancel()
				var j journal
				o.Reconciler = reconcile.TypedFunc[string](func(_ context.Context, key string) (reconcile.Result, error) {
					j.add(key)
					return reconcile.Result{}, nil
				})
				o.SkipNameValidation = ptr.To(true)
				m := b.Manage(b.parent)
				c, err := controller.NewTyped("typed", m, GatedOptions(b, o))
				if err != nil {
					t.Fatal(err)
				}
				if err := c.Watch(source.TypedFunc[string](func(_ context.Context, q workqueue.TypedRateLimitingInterface[string]) error {
					q.Add("key")
					return nil
				})); err != nil {
					t.Fatal(err)
				}
				start := begin(b.Start)
				pass(time.Second)
				j.expect(t)
				term := b.begin()
				pass(time.Second)
				j.expect(t, "key")
				term.end(elector.ErrLeaseExpired)
				pass(time.Second)
				if start.returned() {
					t.Error("its one run is over")
				}
				start.stop()
				if err := start.wait(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// controller-runtime and handlers look at whether a queue has priorities.
func TestGatedQueueHasPrioritiesIfTheControllersOwnHasThem(t *testing.T) {
	for _, prioritised := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			o := GatedOptions(NewGate(quiet), controller.Options{UsePriorityQueue: &prioritised})
			q := o.NewQueue("", workqueue.DefaultTypedControllerRateLimiter[reconcile.Request]())
			defer q.ShutDown()
			if _, has := q.(priorityqueue.PriorityQueue[reconcile.Request]); has != prioritised {
				t.Errorf("UsePriorityQueue %v: the queue has priorities: %v", prioritised, has)
			}
		})
	}
}

func TestGatedOptionsLeaveAControllerOfEveryReplicaAlone(t *testing.T) {
	o := controller.TypedOptions[string]{NeedLeaderElection: ptr.To(false)}
	if got := GatedOptions(NewGate(quiet), o); got.NewQueue != nil || got.EnableWarmup != nil {
		t.Errorf("got %+v", got)
	}
}

func TestStandbyIsWarmUnlessToldOtherwise(t *testing.T) {
	for name, test := range map[string]struct {
		options []Option
		warmup  *bool
		warm    bool
	}{
		"by default":               {nil, nil, true},
		"its own":                  {nil, ptr.To(false), false},
		"cold":                     {[]Option{WithColdStandby()}, nil, false},
		"cold, but its own option": {[]Option{WithColdStandby()}, ptr.To(true), true},
	} {
		t.Run(name, func(t *testing.T) {
			for _, added := range []string{"before Start", "after Start"} {
				synctest.Test(t, func(t *testing.T) {
					var j journal
					b := newBench(3, test.options...)
					defer b.cancel()
					add := func() {
						c := b.controller(t, "c", controller.Options{EnableWarmup: test.warmup}, func(context.Context, reconcile.Request) (reconcile.Result, error) {
							j.add("reconciled")
							return reconcile.Result{}, nil
						})
						if err := c.Watch(source.Func(func(context.Context, workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
							j.add("source started")
							return nil
						})); err != nil {
							t.Fatal(err)
						}
					}
					if added == "before Start" {
						add()
					}
					start := begin(b.Start)
					pass(time.Second)
					if added == "after Start" {
						add()
						pass(time.Second)
					}
					if test.warm {
						j.expect(t, "source started")
					} else {
						j.expect(t)
					}
					term := b.begin()
					pass(time.Second)
					if added == "before Start" || !test.warm { // a Watch after the warm-up has begun may come late
						j.expect(t, "source started", "reconciled", "reconciled", "reconciled")
					}
					term.end(elector.ErrStopped)
					start.stop()
					if err := start.wait(); err != nil {
						t.Error(err)
					}
				})
			}
		})
	}
}

func TestErrorOfAWarmupEndsStartAndNothingRunsAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tooCold := errors.New("too cold")
		var j journal
		g := NewGate(quiet)
		mustAdd(t, g, coldBlooded{func(context.Context) error { return tooCold }})
		mustAdd(t, g, j.worker("work", atOnce))
		if err := begin(g.Start).wait(); err != tooCold {
			t.Fatalf("Start returned %v, want the warm-up's own error", err)
		}
		term := beginTerm(g.Callbacks(elector.Callbacks{}))
		synctest.Wait()
		term.end(elector.ErrStopped)
		j.expect(t)
	})
}

// The workers of a controller that could not be gated wait at its queue, which is shut down by the context of the
// warm-up: if only the term's context ended, this would hang.
func TestControllerThatCannotBeGatedStopsWhenItsTermIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGate(quiet)
		c, err := controller.NewUnmanaged("wrapped", controller.Options{
			Reconciler: (&counter{}).asFunc(), SkipNameValidation: ptr.To(true), EnableWarmup: ptr.To(true),
		})
		if err != nil {
			t.Fatal(err)
		}
		type wrapper interface {
			controller.Controller
			warmable
		}
		mustAdd(t, g, struct{ wrapper }{c.(wrapper)})
		start := begin(g.Start)
		term := beginTerm(g.Callbacks(elector.Callbacks{}))
		synctest.Wait()
		term.end(elector.ErrLeaseExpired)
		if err := start.wait(); !errors.Is(err, ErrLeadershipLost) {
			t.Fatalf("Start returned %v, want ErrLeadershipLost", err)
		}
	})
}
