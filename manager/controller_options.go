// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"reflect"

	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// Gating is a [Manager] or a [Gate]: what gates a controller's requests.
type Gating interface {
	gating() (ts *tenures, warm bool)
}

func (g *Gate) gating() (*tenures, bool) { return g.tenures, !g.settings.cold }

// GatedOptions returns the options of a controller whose requests by gates, for request types other than
// reconcile.Request. Those of reconcile.Request need no such thing. The controller must be added to the same Manager or
// Gate, as ctrl.NewTypedControllerManagedBy(mgr) does.
//
// The options must have the Reconciler. The builder wants it apart: give what is returned as Reconciler to Complete,
// and the rest, without it, to WithOptions. Options with NeedLeaderElection false are returned as they are.
func GatedOptions[T comparable](by Gating, o controller.TypedOptions[T]) controller.TypedOptions[T] {
	full := o
	if m, ok := by.(interface{ GetControllerOptions() config.Controller }); ok {
		full.DefaultFromConfig(m.GetControllerOptions())
	}
	if !ptr.Deref(full.NeedLeaderElection, true) {
		return o
	}
	ts, warm := by.gating()
	g := &gated[T]{reconciler: o.Reconciler, makeQueue: o.NewQueue, tenures: ts}
	if g.makeQueue == nil {
		g.makeQueue = defaultQueue(full)
	}
	o.NewQueue = g.newQueue
	if o.Reconciler != nil {
		o.Reconciler = g
	}
	if full.EnableWarmup == nil && warm {
		o.EnableWarmup = ptr.To(true)
	}
	return o
}

// defaultQueue returns the queue that controller-runtime makes for a controller that brings none.
func defaultQueue[T comparable](o controller.TypedOptions[T]) queueMaker[T] {
	return func(name string, limiter workqueue.TypedRateLimiter[T]) workqueue.TypedRateLimitingInterface[T] {
		if ptr.Deref(o.UsePriorityQueue, true) {
			return priorityqueue.New(name, func(p *priorityqueue.Opts[T]) {
				p.Log = o.Logger.WithValues("controller", name)
				p.RateLimiter = limiter
			})
		}
		return workqueue.NewTypedRateLimitingQueueWithConfig(limiter, workqueue.TypedRateLimitingQueueConfig[T]{Name: name})
	}
}

// gate puts the controller's requests behind by and reports whether it could. If it could not, and r is a controller
// all the same, why is not "".
//
// A controller's reconciler and queue are fields of a type that cannot be named outside controller-runtime, and no
// option of a controller that is already built leads to them. They are set only if they have the types that
// [checkInternals] expects.
func gate(r manager.Runnable, by Gating) (ok bool, why string) {
	v := reflect.Indirect(reflect.ValueOf(r))
	reconciler, makeQueue := ownField(v, "Do"), ownField(v, "NewQueue")
	if !reconciler.CanSet() || !makeQueue.CanSet() {
		if _, is := r.(controller.Controller); is {
			return false, "it is wrapped in a type of its own"
		}
		return false, ""
	}
	ts, _ := by.gating()
	if g, done := reflect.TypeAssert[interface{ gatedBy() *tenures }](reconciler); done {
		if g.gatedBy() != ts {
			return false, "its GatedOptions are of another Manager or Gate"
		}
		return true, ""
	}
	if !assignable[reconcile.Reconciler](reconciler) || !assignable[queueMaker[reconcile.Request]](makeQueue) {
		return false, "its requests are not of type reconcile.Request: see GatedOptions"
	}
	g := &gated[reconcile.Request]{
		reconciler: reconciler.Interface().(reconcile.Reconciler),
		makeQueue:  makeQueue.Interface().(queueMaker[reconcile.Request]),
		tenures:    ts,
	}
	reconciler.Set(reflect.ValueOf(g))
	makeQueue.Set(reflect.ValueOf(g.newQueue))
	return true, ""
}

// enableWarmup makes a gated controller warm up whose EnableWarmup is not set.
func enableWarmup(r manager.Runnable) {
	w := ownField(reflect.Indirect(reflect.ValueOf(r)), "EnableWarmup")
	if w.IsValid() && w.Type() == reflect.TypeFor[*bool]() && w.IsNil() {
		w.Set(reflect.ValueOf(ptr.To(true)))
	}
}

// ownField returns the exported field of a struct, but not one of a struct that it embeds, which may be a nil pointer.
// The result is not valid if there is none.
func ownField(v reflect.Value, name string) reflect.Value {
	if v.Kind() != reflect.Struct {
		return reflect.Value{}
	}
	field, ok := v.Type().FieldByName(name)
	if !ok || len(field.Index) > 1 || !field.IsExported() {
		return reflect.Value{}
	}
	return v.FieldByIndex(field.Index)
}

// assignable reports whether the field is of exactly this type and is set.
func assignable[T any](field reflect.Value) bool {
	return field.Type() == reflect.TypeFor[T]() && !field.IsNil()
}
