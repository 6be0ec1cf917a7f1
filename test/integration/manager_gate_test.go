// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/cluster"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/kube-elector/elector/manager"
)

// TestGatedControllerHearsOfAllItsSources has sources of all kinds, on caches of one and of several namespaces, hand
// over between two replicas and back.
func TestGatedControllerHearsOfAllItsSources(t *testing.T) {
	ns, second, other := namespace(t), namespace(t), namespace(t)
	createConfigMaps(t, ns, "own")
	createConfigMaps(t, second, "second")
	createConfigMaps(t, other, "wrapped", "raw")
	type operator struct {
		*manager.Manager
		j      journal
		events chan event.GenericEvent
	}
	newOperator := func() *operator {
		o := &operator{events: make(chan event.GenericEvent, 1)}
		o.Manager = newManager(t, ns, func(options *ctrl.Options) {
			options.Cache.DefaultNamespaces = map[string]cache.Config{ns: {}, second: {}}
		}, manager.WithReElection())
		reconciled := func(suffix string) reconcile.Func {
			return func(_ context.Context, r reconcile.Request) (reconcile.Result, error) {
				if !o.Elector().IsLeader() {
					t.Errorf("%s is reconciled by a standby", r)
				}
				o.j.add(r.Name + suffix)
				return reconcile.Result{}, nil
			}
		}
		elsewhere, err := cluster.New(restConfig, func(c *cluster.Options) {
			c.Cache.DefaultNamespaces = map[string]cache.Config{other: {}}
		})
		if err != nil {
			t.Fatal(err)
		}
		mustAdd(t, o.Manager, elsewhere)
		only := func(name string) handler.TypedEventHandler[*corev1.ConfigMap, reconcile.Request] {
			return handler.TypedEnqueueRequestsFromMapFunc(func(_ context.Context, m *corev1.ConfigMap) []reconcile.Request {
				if m.Name != name {
					return nil
				}
				return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: m.Namespace, Name: m.Name}}}
			})
		}
		c, err := ctrl.NewControllerManagedBy(o.Manager).For(&corev1.ConfigMap{}).
			WithOptions(controller.Options{MaxConcurrentReconciles: 3}).
			WatchesRawSource(source.Channel(o.events, &handler.EnqueueRequestForObject{})).
			WatchesRawSource(source.Kind(elsewhere.GetCache(), &corev1.ConfigMap{}, only("raw"))).
			Build(reconciled(""))
		if err != nil {
			t.Fatal(err)
		}
		start(t, o.Manager)
		// After Start come another controller, and a Watch of the first.
		eventually(t, "the start", func() bool { return o.GetCache().WaitForCacheSync(t.Context()) })
		if err := setupNamed(o.Manager, "late", reconciled(", late")); err != nil {
			t.Fatal(err)
		}
		wrapped := source.Kind(o.Gate().Cache(elsewhere.GetCache()), &corev1.ConfigMap{}, only("wrapped"))
		if err := c.Watch(wrapped); err != nil {
			t.Fatal(err)
		}
		return o
	}
	expect := func(o *operator, what string, names ...string) {
		t.Helper()
		for _, name := range names {
			eventually(t, fmt.Sprintf("%s: the reconcile of %q", what, name), func() bool { return o.j.has(name) })
		}
	}
	objects := []string{"own", "second", "wrapped", "own, late", "second, late"}
	a := newOperator()
	expect(a, "a's first term", append(objects, "raw")...)
	b := newOperator()
	b.events <- event.GenericEvent{Object: &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "signal"}}}
	for term := range 2 {
		eventually(t, "b standing by", func() bool { return b.Elector().GetLeader() != "" })
		if err := a.Elector().StepDown(t.Context()); err != nil {
			t.Fatal(err)
		}
		if what := fmt.Sprint("after change ", term+1); term == 0 {
			expect(b, what, append(objects, "raw", "signal")...)
		} else {
			expect(b, what, objects...)
		}
		a, b = b, a
		b.j.forget()
	}
}

func setupNamed(m ctrl.Manager, name string, r reconcile.Func) error {
	return ctrl.NewControllerManagedBy(m).Named(name).For(&corev1.ConfigMap{}).Complete(r)
}

func TestOutageIsAPauseOnARealAPIServer(t *testing.T) {
	ns := namespace(t)
	createMany(t, ns, 20)
	var away atomic.Bool
	own := rest.CopyConfig(restConfig)
	own.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			if away.Load() && strings.Contains(r.URL.Path, "/leases") {
				return nil, errors.New("connection refused")
			}
			return next.RoundTrip(r)
		})
	})
	options := managerOptions(t, ns)
	quickly(&options)
	m, err := manager.New(own, options)
	if err != nil {
		t.Fatal(err)
	}
	var j journal
	if err := setupNamed(m, "pausing", func(_ context.Context, r reconcile.Request) (reconcile.Result, error) {
		if !m.Elector().IsLeader() {
			t.Errorf("%s is reconciled in the pause", r)
		}
		j.add(r.Name)
		return reconcile.Result{}, nil
	}); err != nil {
		t.Fatal(err)
	}
	r := start(t, m)
	eventually(t, "all reconciles", func() bool { return len(j.all()) == 20 })
	away.Store(true)
	eventually(t, "the end of the term", func() bool { return !m.Elector().IsLeader() })
	createConfigMaps(t, ns, "in-the-pause")
	eventually(t, "sight of what came in the pause", func() bool { return cached(t, m, ns) == 21 })
	away.Store(false)
	eventually(t, "the reconcile of what came in the pause", func() bool { return j.has("in-the-pause") })
	allReconciled(t, ns, "pausing", &j)
	if all := j.all()[20:]; !slices.Equal(all, []string{"in-the-pause", "afterwards"}) {
		t.Errorf("after the pause %q were reconciled, want what was created in it and afterwards", all)
	}
	if len(r.err) > 0 {
		t.Errorf("Start: %v", <-r.err)
	}
}

// cached returns how many ConfigMaps of the namespace a manager's cache has.
func cached(t *testing.T, m ctrl.Manager, namespace string) int {
	t.Helper()
	var list corev1.ConfigMapList
	if err := m.GetClient().List(t.Context(), &list, client.InNamespace(namespace)); err != nil {
		t.Fatal(err)
	}
	return len(list.Items)
}

// allReconciled waits until the controller has reconciled all that it has been told of. An event handler is told in
// order: when what is created now has been reconciled, all that was to come before is in the queue.
func allReconciled(t *testing.T, namespace, controller string, j *journal) {
	t.Helper()
	createConfigMaps(t, namespace, "afterwards")
	eventually(t, "all reconciles", func() bool {
		return j.has("afterwards") && gauge(t, "workqueue_depth", controller) == 0 &&
			gauge(t, "controller_runtime_active_workers", controller) == 0
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestStandbyCollectsNoRequests has 1,000 objects come and go while a replica stands by.
func TestStandbyCollectsNoRequests(t *testing.T) {
	const objects = 1000
	ns := namespace(t)
	newReplica := func(name string) (*replica, *journal) {
		m, j, warming := newManager(t, ns, nil), &journal{}, make(chan struct{})
		c, err := ctrl.NewControllerManagedBy(m).Named(name).For(&corev1.ConfigMap{}).WatchesRawSource(starting(warming)).
			Build(reconcile.Func(func(_ context.Context, r reconcile.Request) (reconcile.Result, error) {
				j.add(r.Name)
				return reconcile.Result{}, nil
			}))
		if err != nil {
			t.Fatal(err)
		}
		r := start(t, m)
		warm(t, c, warming)
		return r, j
	}
	a, _ := newReplica("leaving")
	eventually(t, "a leads", func() bool { return holder(ns) != "" })
	b, j := newReplica("standing-by")
	createMany(t, ns, objects)
	clientset := kubernetes.NewForConfigOrDie(restConfig)
	if err := clientset.CoreV1().ConfigMaps(ns).DeleteCollection(t.Context(), metav1.DeleteOptions{}, metav1.ListOptions{}); err != nil {
		t.Fatal(err)
	}
	createConfigMaps(t, ns, "last")
	eventually(t, "b's sight of it", func() bool { return cached(t, b, ns) == 1 })
	if err := a.stop(t); err != nil {
		t.Error(err)
	}
	eventually(t, "b's reconcile", func() bool { return j.has("last") })
	allReconciled(t, ns, "standing-by", j)
	if all := j.all(); !slices.Equal(all, []string{"last", "afterwards"}) {
		t.Errorf("the successor reconciled %d objects, %.200q, want those that are there", len(all), all)
	}
}

// gauge returns the value of a controller's metric, summed over other labels.
func gauge(t *testing.T, metric, controller string) float64 {
	t.Helper()
	return measured(t, metric, "controller", controller)
}

// measured returns the value of a metric with this label, summed over others.
func measured(t *testing.T, metric, label, value string) (sum float64) {
	t.Helper()
	families, err := metrics.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if f.GetName() == metric && l.GetName() == label && l.GetValue() == value {
					sum += m.GetGauge().GetValue() + m.GetCounter().GetValue()
				}
			}
		}
	}
	return sum
}
