// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/kube-elector/elector/elector"
)

// newController makes a controller-runtime controller with one item to
// reconcile, which writes down what happens to it.
func (j *journal) newController(t *testing.T, warm bool) controller.Controller {
	t.Helper()
	c, err := controller.NewUnmanaged("items", controller.Options{
		EnableWarmup:       ptr.To(warm),
		SkipNameValidation: ptr.To(true),
		Reconciler: reconcile.Func(func(context.Context, reconcile.Request) (reconcile.Result, error) {
			j.add("reconciled")
			return reconcile.Result{}, nil
		}),
	})
	if err != nil {
		t.Fatal(err)
	}
	err = c.Watch(source.Func(func(_ context.Context, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
		j.add("source started")
		queue.Add(reconcile.Request{})
		return nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestWarmupRunsBeforeTheTermAndOnlyThen(t *testing.T) {
	for name, early := range map[string]bool{"added before Start": true, "added after Start": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var j journal
				g := NewGate(quiet)
				if early {
					mustAdd(t, g, j.newController(t, true))
				}
				start := begin(g.Start)
				synctest.Wait()
				if !early {
					mustAdd(t, g, j.newController(t, true))
					synctest.Wait()
				}
				j.expect(t, "source started")
				term := beginTerm(g.Callbacks(elector.Callbacks{}))
				synctest.Wait()
				j.expect(t, "source started", "reconciled")
				term.end(elector.ErrStopped)
				start.stop()
				if err := start.wait(); err != nil {
					t.Fatal(err)
				}
			})
		})
	}
}

func TestWithoutEnableWarmupSourcesStartInTheTerm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		g := NewGate(quiet)
		mustAdd(t, g, j.newController(t, false))
		start := begin(g.Start)
		synctest.Wait()
		j.expect(t)
		term := beginTerm(g.Callbacks(elector.Callbacks{}))
		synctest.Wait()
		j.expect(t, "source started", "reconciled")
		term.end(elector.ErrStopped)
		start.stop()
		if err := start.wait(); err != nil {
			t.Fatal(err)
		}
	})
}

// The workers of a controller wait at its queue, which is shut down by the
// context of the warm-up: if only the term's context ended, this would hang.
func TestWarmedUpControllerStopsWhenItsTermIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		g := NewGate(quiet)
		mustAdd(t, g, j.newController(t, true))
		start := begin(g.Start)
		term := beginTerm(g.Callbacks(elector.Callbacks{}))
		synctest.Wait()
		term.end(elector.ErrLeaseExpired)
		if err := start.wait(); !errors.Is(err, ErrLeadershipLost) {
			t.Fatalf("Start returned %v, want ErrLeadershipLost", err)
		}
	})
}

func TestErrorOfWarmupEndsStartAndNothingRunsAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		g := NewGate(quiet)
		mustAdd(t, g, coldBlooded{})
		mustAdd(t, g, j.worker("work", atOnce))
		if err := begin(g.Start).wait(); err != errTooCold {
			t.Fatalf("Start returned %v, want the warm-up's own error", err)
		}
		term := beginTerm(g.Callbacks(elector.Callbacks{}))
		synctest.Wait()
		term.end(elector.ErrStopped)
		j.expect(t)
	})
}

var errTooCold = errors.New("too cold")

type coldBlooded struct{}

func (coldBlooded) Warmup(context.Context) error    { return errTooCold }
func (coldBlooded) Start(ctx context.Context) error { <-ctx.Done(); return nil }
