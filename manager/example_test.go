// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"github.com/go-logr/logr"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	ctrlmanager "sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/kube-elector/elector/elector"
	"github.com/kube-elector/elector/elector/leasetest"
	"github.com/kube-elector/elector/manager"
	"github.com/kube-elector/elector/manager/fencing"
)

// The examples have no API server but for Leases. In a cluster cfg is ctrl.GetConfigOrDie(), and nothing stands in for
// the clientset of the Lease.
var (
	cfg     = &rest.Config{Host: "http://127.0.0.1:1"}
	options = ctrl.Options{
		LeaderElection: true, LeaderElectionID: "my-operator", LeaderElectionNamespace: "default",
		Metrics: metricsserver.Options{BindAddress: "0"}, Logger: logr.Discard(),
	}
)

func leases() *leasetest.Client { return leasetest.NewServer().Client("a") }

// setenv sets a variable as the pod's spec does, until unset is called.
func setenv(name, value string) (unset func()) {
	if err := os.Setenv(name, value); err != nil {
		fmt.Println(err)
	}
	return func() { _ = os.Unsetenv(name) }
}

// once is a source of one request.
func once(name string) source.Source {
	events := make(chan event.GenericEvent, 1)
	events <- event.GenericEvent{Object: &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name}}}
	return source.Channel(events, &handler.EnqueueRequestForObject{})
}

// reconciler prints what it is asked to reconcile, and by which leader, and stops the example.
func reconciler(stop func()) reconcile.Func {
	return func(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
		term, _ := elector.TermFromContext(ctx)
		fmt.Println(term.Identity, "reconciles", request)
		stop()
		return reconcile.Result{}, nil
	}
}

// An operator's main with the one line changed.
func ExampleNew() {
	ctx, stop := context.WithCancel(context.Background()) // ctrl.SetupSignalHandler()
	defer stop()
	mgr, err := manager.New(cfg, options, manager.WithIdentity("a"), manager.WithClientset(leases())) // was ctrl.NewManager
	if err != nil {
		fmt.Println(err)
		return
	}
	err = ctrl.NewControllerManagedBy(mgr).Named("example-new").WatchesRawSource(once("x")).Complete(reconciler(stop))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(mgr.Start(ctx)) // main exits with 1 if it is an error
	// Output:
	// a reconciles default/x
	// <nil>
}

// Work that can begin and end any number of times in a process.
func ExampleManager_EachTerm() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	mgr, err := manager.New(cfg, options, manager.WithIdentity("a"), manager.WithClientset(leases()))
	if err != nil {
		fmt.Println(err)
		return
	}
	err = mgr.EachTerm(func(ctx context.Context) error {
		term, _ := elector.TermFromContext(ctx)
		fmt.Println("led by", term.Identity)
		stop()
		<-ctx.Done()
		fmt.Println("ended:", context.Cause(ctx))
		return nil
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(mgr.Start(ctx))
	// Output:
	// led by a
	// ended: elector stopped
	// <nil>
}

// A Gate between a manager and an Elector of one's own.
func ExampleGate() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	options := options
	options.LeaderElection = false
	mgr, err := ctrl.NewManager(cfg, options)
	if err != nil {
		fmt.Println(err)
		return
	}
	logger := slog.New(slog.DiscardHandler)
	gate := manager.NewGate(logger)
	config := elector.Config{
		Enabled: true, Identity: "a", LeaseName: "my-operator", LeaseNamespace: "default", ReleaseOnCancel: true,
	}
	e, err := elector.New(&config, leases(), gate.Callbacks(elector.Callbacks{}), logger) // elector.NewClientset
	if err != nil {
		fmt.Println(err)
		return
	}
	gated := gate.Manage(mgr) // to set controllers up, and for their client
	err = ctrl.NewControllerManagedBy(gated).Named("example-gate").WatchesRawSource(once("y")).Complete(reconciler(stop))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, runnable := range []ctrlmanager.Runnable{gate, e} {
		if err := mgr.Add(runnable); err != nil {
			fmt.Println(err)
			return
		}
	}
	fmt.Println(mgr.Start(ctx))
	// Output:
	// a reconciles default/y
	// <nil>
}

// A client for an Elector's own work: it refuses to write when this replica does not lead.
func ExampleFenced() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	c := fake.NewClientBuilder().Build()
	config := elector.Config{Enabled: true, LeaseName: "my-operator", LeaseNamespace: "default", ReleaseOnCancel: true}
	write := func(ctx context.Context, name string) error {
		return manager.Fenced(c, nil).Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name}})
	}
	e, err := elector.New(&config, leases(), elector.Callbacks{OnStartedLeading: func(ctx context.Context) {
		fmt.Println("in a term:", write(ctx, "in-a-term"))
		stop()
	}}, slog.New(slog.DiscardHandler))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("before:", write(ctx, "before"))
	fmt.Println(e.Start(ctx))
	// Output:
	// before: not leading for long enough: 0s left, a write needs 250ms
	// in a term: <nil>
	// <nil>
}

// The API server rejects writes of Deployments from a former leader. The pod's spec sets POD_NAME and POD_UID.
func ExampleWithFencing() {
	settings := fencing.Settings{
		ServiceAccount: types.NamespacedName{Namespace: "default", Name: "my-operator"},
		Resources: []admissionv1.Rule{{
			APIGroups: []string{"apps"}, APIVersions: []string{"v1"}, Resources: []string{"deployments"},
		}},
	}
	defer setenv("POD_NAME", "my-operator-0")()
	defer setenv("POD_UID", "0f3a")()
	_, err := manager.New(cfg, options, manager.WithFencing(settings), manager.WithClientset(leases()))
	fmt.Println(err)

	// What no policy sees is refused.
	settings.Resources[0].APIGroups, settings.Resources[0].Resources = []string{""}, []string{"pods/exec"}
	_, err = manager.New(cfg, options, manager.WithFencing(settings), manager.WithClientset(leases()))
	fmt.Println(err)
	// Output:
	// <nil>
	// manager: fencing: invalid Settings:
	// Resources[0].Resources: "pods/exec": cannot be fenced: it is connected to (CONNECT), and policies look at CREATE, UPDATE and DELETE
}
