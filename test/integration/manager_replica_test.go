// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/config"
	crmanager "sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/kube-elector/elector/manager"
)

// journal is what happened, in order.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) add(line string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, line)
}

func (j *journal) all() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.lines)
}

func (j *journal) forget() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = nil
}

func (j *journal) has(line string) bool { return slices.Contains(j.all(), line) }

// managerOptions returns options for one replica of an operator in this namespace.
func managerOptions(t *testing.T, namespace string) ctrl.Options {
	return ctrl.Options{
		LeaderElection:          true,
		LeaderElectionID:        "lease",
		LeaderElectionNamespace: namespace,
		Metrics:                 metricsserver.Options{BindAddress: "0"},
		HealthProbeBindAddress:  "0",
		Cache:                   cache.Options{DefaultNamespaces: map[string]cache.Config{namespace: {}}},
		Controller:              config.Controller{SkipNameValidation: ptr.To(true)},
		Logger:                  manager.NewLogr(slog.New(slog.NewTextHandler(t.Output(), nil))),
	}
}

// quickly makes lapsing quick enough to be waited for.
func quickly(o *ctrl.Options) {
	o.LeaseDuration = ptr.To(3 * time.Second)
	o.RenewDeadline = ptr.To(2 * time.Second)
	o.RetryPeriod = ptr.To(500 * time.Millisecond)
}

// replica is a Manager that has been started.
type replica struct {
	ctrl.Manager
	cancel context.CancelFunc
	err    chan error
}

// start starts the manager and stops it at the end of the test.
func start(t *testing.T, m ctrl.Manager) *replica {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r := &replica{Manager: m, cancel: cancel, err: make(chan error, 1)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.err <- m.Start(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		receive(t, done, "the end of a manager")
	})
	return r
}

// stop stops the replica and returns what Start returned.
func (r *replica) stop(t *testing.T) error {
	t.Helper()
	r.cancel()
	return receive(t, r.err, "the end of Start")
}

func newManager(t *testing.T, namespace string, change func(*ctrl.Options), more ...manager.Option) *manager.Manager {
	t.Helper()
	options := managerOptions(t, namespace)
	if change != nil {
		change(&options)
	}
	m, err := manager.New(restConfig, options, more...)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func mustAdd(t *testing.T, m ctrl.Manager, runnables ...crmanager.Runnable) {
	t.Helper()
	for _, r := range runnables {
		if err := m.Add(r); err != nil {
			t.Fatal(err)
		}
	}
}

// everywhere is a runnable for every replica.
type everywhere func(context.Context) error

func (e everywhere) Start(ctx context.Context) error { return e(ctx) }
func (everywhere) NeedLeaderElection() bool          { return false }

// setupConfigMaps adds a controller of ConfigMaps as kubebuilder scaffolds one.
func setupConfigMaps(reconcile reconcile.Func) func(ctrl.Manager) error {
	return func(m ctrl.Manager) error {
		return ctrl.NewControllerManagedBy(m).For(&corev1.ConfigMap{}).Complete(reconcile)
	}
}

func createConfigMaps(t *testing.T, namespace string, names ...string) {
	t.Helper()
	clientset := kubernetes.NewForConfigOrDie(restConfig)
	for _, name := range names {
		_, err := clientset.CoreV1().ConfigMaps(namespace).Create(t.Context(),
			&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// holder returns the present holder of the Lease.
func holder(namespace string) string {
	if lease := leases(namespace); lease != nil {
		return ptr.Deref(lease.Spec.HolderIdentity, "")
	}
	return ""
}

func editLease(t *testing.T, namespace string, holder *string) {
	t.Helper()
	clientset := kubernetes.NewForConfigOrDie(restConfig)
	eventually(t, "an edit of the Lease", func() bool {
		lease := leases(namespace)
		lease.Spec.HolderIdentity = holder
		_, err := clientset.CoordinationV1().Leases(namespace).Update(context.Background(), lease, metav1.UpdateOptions{})
		return err == nil
	})
}

func deleteLease(t *testing.T, namespace string) {
	t.Helper()
	clientset := kubernetes.NewForConfigOrDie(restConfig)
	if err := clientset.CoordinationV1().Leases(namespace).Delete(t.Context(), "lease", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
}

// losses are the ways a leader loses its Lease from outside.
var losses = map[string]func(t *testing.T, namespace string, link *atomic.Bool){
	"deleted Lease":  func(t *testing.T, namespace string, _ *atomic.Bool) { deleteLease(t, namespace) },
	"foreign holder": func(t *testing.T, namespace string, _ *atomic.Bool) { editLease(t, namespace, ptr.To("foreign")) },
	"partition":      func(_ *testing.T, _ string, link *atomic.Bool) { link.Store(true) },
}

// onLink makes an option that reaches the Lease through a link that can be cut.
func onLink(link *atomic.Bool) func(*ctrl.Options) {
	return func(o *ctrl.Options) {
		quickly(o)
		own := rest.CopyConfig(restConfig)
		own.Wrap(func(next http.RoundTripper) http.RoundTripper { return &cuttable{next, link} })
		o.LeaderElectionConfig = own
	}
}

// deleteLeaseIfAny makes room for replicas of another kind.
func deleteLeaseIfAny(namespace string) {
	clientset := kubernetes.NewForConfigOrDie(restConfig)
	_ = clientset.CoordinationV1().Leases(namespace).Delete(context.Background(), "lease", metav1.DeleteOptions{})
}
