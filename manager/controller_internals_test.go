// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"context"
	"reflect"
	"testing"

	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// Types of controllers as another version of controller-runtime may have them.
type (
	renamed    struct{ Reconciler reconcile.Reconciler }
	otherQueue struct{ Do, NewQueue reconcile.Reconciler }
	coldOnly   struct {
		Do       reconcile.Reconciler
		NewQueue queueMaker[reconcile.Request]
	}
	otherItems struct {
		Do           reconcile.TypedReconciler[string]
		NewQueue     queueMaker[string]
		EnableWarmup *bool
	}
	embedded struct{ otherItems }
)

func TestFieldsThatGatingNeedsAreMissedByName(t *testing.T) {
	for _, test := range []struct {
		of         any
		ofRequests bool
		missing    string
	}{
		{renamed{}, true, "Do"},
		{otherQueue{}, true, "NewQueue"},
		{coldOnly{}, true, "EnableWarmup"},
		{otherItems{}, false, ""},
		{otherItems{}, true, "Do"},
		{embedded{}, false, "Do"},
	} {
		if got := lacking(reflect.TypeOf(test.of), test.ofRequests); got != test.missing {
			t.Errorf("%T lacks %q, want %q", test.of, got, test.missing)
		}
	}
}

func TestControllersOfThisControllerRuntimeHaveWhatGatingNeeds(t *testing.T) {
	plain, err := controller.NewUnmanaged("plain", controller.Options{Reconciler: (&counter{}).asFunc(), SkipNameValidation: ptr.To(true)})
	if err != nil {
		t.Fatal(err)
	}
	typed, err := controller.NewTypedUnmanaged("typed", controller.TypedOptions[string]{
		SkipNameValidation: ptr.To(true),
		Reconciler:         reconcile.TypedFunc[string](func(context.Context, string) (reconcile.Result, error) { return reconcile.Result{}, nil }),
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []any{plain, typed} {
		own := reflect.TypeOf(c).Elem()
		if _, is := c.(controller.Controller); !fromControllerRuntime(own) || lacking(own, is) != "" {
			t.Errorf("%s lacks %q", own, lacking(own, is))
		}
	}
	if fromControllerRuntime(reflect.TypeFor[renamed]()) {
		t.Error("a type of ours is taken for controller-runtime's")
	}
}
