// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"fmt"
	"reflect"
	"runtime/debug"
	"strings"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

const (
	controllerRuntime = "sigs.k8s.io/controller-runtime"
	// gateable are the versions of controller-runtime whose controllers a Gate is known to gate.
	gateable = "v0.23, v0.24 or v0.25"
)

// checkInternals returns an error if r is a controller of controller-runtime that lacks what a Gate sets in it. Running
// it ungated would break what a Manager promises, which nobody would notice before leadership is lost.
func checkInternals(r manager.Runnable) error {
	t := reflect.Indirect(reflect.ValueOf(r))
	if _, is := r.(interface{ GetLogger() logr.Logger }); !is || t.Kind() != reflect.Struct || !fromControllerRuntime(t.Type()) {
		return nil
	}
	if _, watches := reflect.TypeOf(r).MethodByName("Watch"); !watches {
		return nil
	}
	_, ofRequests := r.(controller.Controller)
	if field := lacking(t.Type(), ofRequests); field != "" {
		return fmt.Errorf("%s: cannot be gated: controllers of controller-runtime %s lack the field %s that a Gate sets: use controller-runtime %s",
			describe(r), controllerRuntimeVersion(), field, gateable)
	}
	return nil
}

func fromControllerRuntime(t reflect.Type) bool {
	return strings.HasPrefix(t.PkgPath(), controllerRuntime+"/")
}

// lacking returns the first field that a controller's type lacks, or has with another type. The types of a controller
// of reconcile.Requests are known exactly, those of others in part.
func lacking(t reflect.Type, ofRequests bool) string {
	for _, field := range []struct {
		name  string
		exact reflect.Type
		kind  reflect.Kind
	}{
		{"Do", reflect.TypeFor[reconcile.Reconciler](), reflect.Interface},
		{"NewQueue", reflect.TypeFor[queueMaker[reconcile.Request]](), reflect.Func},
		{"EnableWarmup", reflect.TypeFor[*bool](), reflect.Pointer},
	} {
		has, ok := t.FieldByName(field.name)
		if !ok || len(has.Index) > 1 || has.Type.Kind() != field.kind || ofRequests && has.Type != field.exact {
			return field.name
		}
	}
	return ""
}

// controllerRuntimeVersion returns the version that the program was built with.
func controllerRuntimeVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if m.Path == controllerRuntime {
				return m.Version
			}
		}
	}
	return "of an unknown version" // as in tests
}
