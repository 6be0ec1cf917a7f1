// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// queueMaker is the type of a controller's NewQueue.
type queueMaker[T comparable] = func(string, workqueue.TypedRateLimiter[T]) workqueue.TypedRateLimitingInterface[T]

// gated is the reconciler and the queue of a gated controller.
type gated[T comparable] struct {
	reconciler reconcile.TypedReconciler[T]
	makeQueue  queueMaker[T]
	tenures    *tenures
	queue      atomic.Pointer[gatedQueue[T]] // nil until the controller makes it
}

// newQueue makes the controller's own queue and puts ours in front. What it returns has priorities only if the
// controller's own queue has them, as controller-runtime and users look at that.
func (g *gated[T]) newQueue(name string, limiter workqueue.TypedRateLimiter[T]) workqueue.TypedRateLimitingInterface[T] {
	q := newGatedQueue(g.makeQueue(name, limiter), name, g.tenures)
	g.queue.Store(q)
	if _, plain := q.inner.(unprioritised[T]); plain {
		return struct {
			workqueue.TypedRateLimitingInterface[T]
		}{q}
	}
	return q
}

// gatedBy returns what gates the controller's requests.
func (g *gated[T]) gatedBy() *tenures { return g.tenures }

// Reconcile reconciles within the tenure of the request. What comes of it is of no meaning if the tenure is over by
// then: the queue keeps the request for the next one. A request that is none of the queue's is passed on as it is.
func (g *gated[T]) Reconcile(ctx context.Context, r T) (reconcile.Result, error) {
	var t *tenure
	if q := g.queue.Load(); q != nil {
		t = q.tenureOf(r)
	}
	if t == nil {
		return g.reconciler.Reconcile(ctx, r)
	}
	within, cancel := requestContext(ctx, t.ctx)
	defer cancel()
	if t.over() {
		return reconcile.Result{}, nil // Done parks it
	}
	result, err := g.reconciler.Reconcile(within, r)
	if t.over() {
		if err != nil {
			log.FromContext(ctx).V(1).Info("request was cut short by the end of the term and will be repeated", "err", err)
		}
		return reconcile.Result{}, nil
	}
	return result, err
}

// errRequestTimeout is the cause when a request's own deadline has passed: controller-runtime's ReconciliationTimeout.
var errRequestTimeout = errors.New("reconciliation timeout")

// requestContext returns a context that ends with the tenure, or at ctx's deadline if it has one. It has the values of
// both, ctx's first. It does not end with ctx otherwise: that is the controller's context, which outlives all tenures.
func requestContext(ctx, tenure context.Context) (context.Context, context.CancelFunc) {
	within := &tenureContext{Context: tenure, request: context.WithoutCancel(ctx)}
	if deadline, ok := ctx.Deadline(); ok {
		return context.WithDeadlineCause(within, deadline, errRequestTimeout)
	}
	return within, func() {}
}

// tenureContext is the tenure's context with the values of a request's.
type tenureContext struct {
	context.Context                 // the tenure's
	request         context.Context // without its cancellation, which package context looks for by Value
}

// Value looks in the request's context first: the logger is the controller's, the term the tenure's. What makes the
// handlers of the controller's sources replay is not for handlers that Reconcile adds.
func (c *tenureContext) Value(key any) any {
	if key == (listenersKey{}) {
		return nil
	}
	if v := c.request.Value(key); v != nil {
		return v
	}
	return c.Context.Value(key)
}

// Deadline reports no deadline. A tenure ends when it is not renewed, which cannot be known before.
func (c *tenureContext) Deadline() (time.Time, bool) { return time.Time{}, false }
