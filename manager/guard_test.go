// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"
)

// The plain queue hands out all it has after it was shut down.
func TestNoReconcileStartsAfterTheEndOfTheTerm(t *testing.T) {
	for name, add := range map[string]func(*termBench, controller.Controller) error{
		"run once": func(b *termBench, c controller.Controller) error { return b.Add(c) },
		"each term": func(b *termBench, c controller.Controller) error {
			return newTermManager(context.Background(), b.terms, b.Gate).Add(c)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var j journal
				c, err := controller.NewUnmanaged("items", controller.Options{
					UsePriorityQueue: ptr.To(false), SkipNameValidation: ptr.To(true),
					Reconciler: reconcile.Func(func(ctx context.Context, _ reconcile.Request) (reconcile.Result, error) {
						j.add("reconciling")
						<-ctx.Done()
						return reconcile.Result{}, nil
					}),
				})
				if err != nil {
					t.Fatal(err)
				}
				if err := c.Watch(source.Func(func(_ context.Context, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
					for i := range 100 {
						queue.Add(reconcile.Request{NamespacedName: types.NamespacedName{Name: fmt.Sprint(i)}})
					}
					return nil
				})); err != nil {
					t.Fatal(err)
				}
				b := newTermBench(0)
				defer b.cancel()
				if err := add(b, c); err != nil {
					t.Fatal(err)
				}
				run := begin(c.Start)
				synctest.Wait()
				j.expect(t, "reconciling")
				run.stop()
				if err := run.wait(); err != nil {
					t.Fatal(err)
				}
				j.expect(t, "reconciling")
			})
		})
	}
}
