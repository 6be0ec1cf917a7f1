// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"context"
	"fmt"
	"reflect"
	"runtime"
	"strings"

	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/webhook"
)

// hasCache is how controller-runtime recognises caches and clusters.
type hasCache interface {
	manager.Runnable
	GetCache() cache.Cache
}

// warmable is controller-runtime's optional interface of runnables that do something before their replica leads.
// Wrapping a runnable would hide it.
type warmable interface {
	Warmup(context.Context) error
}

// leaderGated tells whether controller-runtime would run r on the leader only. The order of the cases is
// controller-runtime's, and matters: a webhook server that says it needs leader election runs everywhere all the same.
func leaderGated(r manager.Runnable) bool {
	switch r := r.(type) {
	case *manager.Server:
		return r.NeedLeaderElection()
	case hasCache, webhook.Server:
		return false
	case manager.LeaderElectionRunnable:
		return r.NeedLeaderElection()
	}
	return true
}

// everywhere is a runnable for every replica. controller-runtime starts those once the caches have synced, and stops
// them before anything else.
type everywhere func(context.Context) error

func (e everywhere) Start(ctx context.Context) error { return e(ctx) }
func (everywhere) NeedLeaderElection() bool          { return false }

// describe names a runnable for people: by its Name field if it has one, as controllers and servers do, or by the name
// of its function.
func describe(r manager.Runnable) string {
	name, _, _ := strings.Cut(fmt.Sprintf("%T", r), "[") // type arguments tell nothing
	v := reflect.Indirect(reflect.ValueOf(r))
	switch v.Kind() {
	case reflect.Func:
		if f := runtime.FuncForPC(v.Pointer()); f != nil {
			return f.Name()
		}
	case reflect.Struct:
		if f := ownField(v, "Name"); f.IsValid() && f.Kind() == reflect.String && f.String() != "" {
			return fmt.Sprintf("%s %q", name, f.String())
		}
	}
	return name
}
