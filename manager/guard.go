// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"context"
	"reflect"

	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// guard has a controller start no reconcile once its context has ended.
// controller-runtime's workers go on until they find the queue shut down, which
// happens a little later; and with UsePriorityQueue off they empty it first.
//
// A controller's reconciler is a field of a type that cannot be named outside
// controller-runtime, and no option leads to it. A controller that is built
// otherwise, or of another request type than reconcile.Request, stays as it is.
func guard(r manager.Runnable) {
	if _, ok := r.(controller.Controller); !ok {
		return
	}
	v := reflect.Indirect(reflect.ValueOf(r))
	if v.Kind() != reflect.Struct {
		return
	}
	field := v.FieldByName("Do")
	if !field.IsValid() || !field.CanSet() || field.Type() != reflect.TypeFor[reconcile.Reconciler]() || field.IsNil() {
		return
	}
	field.Set(reflect.ValueOf(guarded{field.Interface().(reconcile.Reconciler)}))
}

type guarded struct{ reconcile.Reconciler }

// Reconcile leaves out what would only be told that its context has ended. It
// is no error: there would be one for every item in the queue.
func (g guarded) Reconcile(ctx context.Context, r reconcile.Request) (reconcile.Result, error) {
	if ctx.Err() != nil {
		return reconcile.Result{}, nil
	}
	return g.Reconciler.Reconcile(ctx, r)
}
