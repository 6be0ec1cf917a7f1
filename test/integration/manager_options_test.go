// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/kube-elector/elector/manager"
)

// ownQueue is the type of a queue of the user's own.
type ownQueue struct {
	priorityqueue.PriorityQueue[reconcile.Request]
	gets *atomic.Int64
}

func (q ownQueue) GetWithPriority() (reconcile.Request, int, bool) {
	q.gets.Add(1)
	return q.PriorityQueue.GetWithPriority()
}

// A controller with any option reconciles its objects when its replica is elected, none before, and all of them again
// when it is elected again.
func TestGatedControllerHasAllOptions(t *testing.T) {
	type rig struct {
		options controller.Options
		watch   []builder.ForOption
		before  func(ctx context.Context, attempt int64) error // a reconcile's first act
		check   func(t *testing.T, attempts int64)
	}
	named := func(name string) builder.ForOption {
		return builder.WithPredicates(predicate.NewPredicateFuncs(func(o client.Object) bool { return o.GetName() == name }))
	}
	var gets, timeouts atomic.Int64
	for name, r := range map[string]rig{
		"none":              {},
		"several workers":   {options: controller.Options{MaxConcurrentReconciles: 4}},
		"the plain queue":   {options: controller.Options{UsePriorityQueue: ptr.To(false)}},
		"only the metadata": {watch: []builder.ForOption{builder.OnlyMetadata}},
		"a predicate": {watch: []builder.ForOption{named("x")}, check: func(t *testing.T, attempts int64) {
			if attempts != 1 {
				t.Errorf("%d reconciles, want that of the one object that the predicate lets pass", attempts)
			}
		}},
		"a queue of its own": {options: controller.Options{
			NewQueue: func(name string, limiter workqueue.TypedRateLimiter[reconcile.Request]) workqueue.TypedRateLimitingInterface[reconcile.Request] {
				return ownQueue{priorityqueue.New(name, func(o *priorityqueue.Opts[reconcile.Request]) { o.RateLimiter = limiter }), &gets}
			},
		}, check: func(t *testing.T, _ int64) {
			if gets.Load() == 0 {
				t.Error("the controller's own queue is not used")
			}
		}},
		"RecoverPanic": {options: controller.Options{RecoverPanic: ptr.To(true)}, before: func(_ context.Context, attempt int64) error {
			if attempt == 1 {
				panic("the first reconcile panics")
			}
			return nil
		}},
		"ReconciliationTimeout": {options: controller.Options{ReconciliationTimeout: 50 * time.Millisecond}, before: func(ctx context.Context, attempt int64) error {
			if attempt > 1 {
				return nil
			}
			<-ctx.Done()
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				timeouts.Add(1)
			}
			return ctx.Err()
		}, check: func(t *testing.T, _ int64) {
			if timeouts.Load() != 1 {
				t.Errorf("%d reconciles have timed out, want 1", timeouts.Load())
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ns := namespace(t)
			createConfigMaps(t, ns, "x", "y")
			leader := newManager(t, ns, nil)
			first := start(t, leader)
			eventually(t, "the leader", func() bool { return leader.Elector().IsLeader() })
			var attempts, done atomic.Int64
			m := newManager(t, ns, nil, manager.WithReElection())
			if err := ctrl.NewControllerManagedBy(m).Named(name).For(&corev1.ConfigMap{}, r.watch...).WithOptions(r.options).
				Complete(reconcile.Func(func(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
					if attempt := attempts.Add(1); r.before != nil {
						if err := r.before(ctx, attempt); err != nil {
							return reconcile.Result{}, err
						}
					}
					if request.Name == "x" {
						done.Add(1)
					}
					return reconcile.Result{}, nil
				})); err != nil {
				t.Fatal(err)
			}
			second := start(t, m)
			eventually(t, "the standby's caches", func() bool { return m.GetCache().WaitForCacheSync(t.Context()) })
			eventually(t, "sight of the leader", func() bool { return m.Elector().GetLeader() != "" })
			if n, counted := attempts.Load(), gauge(t, "controller_runtime_reconcile_total", name); n != 0 || counted != 0 {
				t.Errorf("the standby has made %d reconciles, and counted %v", n, counted)
			}
			if err := first.stop(t); err != nil {
				t.Error(err)
			}
			eventually(t, "the reconcile when it is elected", func() bool { return done.Load() == 1 })
			if r.check != nil {
				r.check(t, attempts.Load())
			}
			deleteLease(t, ns)
			eventually(t, "the reconcile when it is elected again", func() bool { return done.Load() == 2 })
			if err := second.stop(t); err != nil {
				t.Error(err)
			}
			if d := gauge(t, "workqueue_depth", name) + gauge(t, "controller_runtime_active_workers", name); d != 0 {
				t.Errorf("%v requests are counted as waiting or running after the end", d)
			}
		})
	}
}
