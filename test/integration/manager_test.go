// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	crmanager "sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/webhook"

	"github.com/kube-elector/elector/elector"
	"github.com/kube-elector/elector/manager"
)

func TestGatedControllersRunOnTheLeaderOnlyAndOthersEverywhere(t *testing.T) {
	ns := namespace(t)
	createConfigMaps(t, ns, "x")
	var j journal
	newReplica := func(name string) *replica {
		m := newManager(t, ns, nil)
		err := setupConfigMaps(func(_ context.Context, r reconcile.Request) (reconcile.Result, error) {
			if r.Name == "x" {
				j.add(name + " reconciles")
			}
			return reconcile.Result{}, nil
		})(m)
		if err != nil {
			t.Fatal(err)
		}
		mustAdd(t, m, everywhere(func(ctx context.Context) error {
			j.add(name + " runs")
			<-ctx.Done()
			return nil
		}))
		return start(t, m)
	}
	a := newReplica("a")
	receive(t, a.Elected(), "the election of a")
	b := newReplica("b")
	eventually(t, "everything that should run", func() bool {
		return j.has("a runs") && j.has("b runs") && j.has("a reconciles") && b.GetCache().WaitForCacheSync(t.Context())
	})
	select {
	case <-b.Elected():
		t.Error("Elected is closed on the standby")
	default:
	}
	if j.has("b reconciles") {
		t.Error("the standby reconciles")
	}
	if err := a.stop(t); err != nil {
		t.Errorf("Start: %v", err)
	}
	receive(t, b.Elected(), "the election of b")
	eventually(t, "b's reconcile", func() bool { return j.has("b reconciles") })
}

// recordedCache, recordedServer and the like are runnables of the manager's other groups. They tell when they are
// stopped.
type recordedCache struct {
	cache.Cache
	stopped func()
}

func (c *recordedCache) GetCache() cache.Cache { return c.Cache }
func (c *recordedCache) Start(ctx context.Context) error {
	<-ctx.Done()
	c.stopped()
	return nil
}

type recordedWebhooks struct{ started, stopped func() }

func (*recordedWebhooks) NeedLeaderElection() bool      { return false }
func (*recordedWebhooks) Register(string, http.Handler) {}
func (*recordedWebhooks) WebhookMux() *http.ServeMux    { return nil }
func (*recordedWebhooks) StartedChecker() healthz.Checker {
	return func(*http.Request) error { return nil }
}
func (w *recordedWebhooks) Start(ctx context.Context) error {
	w.started()
	<-ctx.Done()
	w.stopped()
	return nil
}

var _ webhook.Server = (*recordedWebhooks)(nil)

func TestStopGatedWorkThenReleaseThenCachesThenWebhooks(t *testing.T) {
	ns := namespace(t)
	var j journal
	tell := func(who string) func() {
		return func() {
			if holder(ns) == "" {
				j.add(who + ", released")
			} else {
				j.add(who + ", held")
			}
		}
	}
	m := newManager(t, ns, quickly)
	mayStop := make(chan struct{})
	mustAdd(t, m,
		&recordedWebhooks{func() {}, tell("webhooks stop")},
		&recordedCache{m.GetCache(), tell("caches stop")},
		crmanager.RunnableFunc(func(ctx context.Context) error {
			<-ctx.Done()
			<-mayStop
			tell("gated work returns")()
			return nil
		}),
	)
	a := start(t, m)
	receive(t, a.Elected(), "the election")
	a.cancel()
	// The work takes longer to stop than the lease would last.
	before := leases(ns).Spec.RenewTime
	eventually(t, "renewals while the work is stopping", func() bool {
		return leases(ns).Spec.RenewTime.Sub(before.Time) > 3*time.Second
	})
	if got := j.all(); len(got) != 0 {
		t.Fatalf("before the work has returned: %q", got)
	}
	close(mayStop)
	if err := receive(t, a.err, "the end of Start"); err != nil {
		t.Errorf("Start: %v", err)
	}
	want := []string{"gated work returns, held", "caches stop, released", "webhooks stop, released"}
	if got := j.all(); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestCleanStopHandsOverAtOnceUnlessToldOtherwise(t *testing.T) {
	ns := namespace(t)
	a := start(t, newManager(t, ns, nil)) // as kubebuilder scaffolds it: without LeaderElectionReleaseOnCancel
	receive(t, a.Elected(), "the election of a")
	b := start(t, newManager(t, ns, nil, manager.WithoutRelease()))
	if err := a.stop(t); err != nil {
		t.Errorf("Start: %v", err)
	}
	receive(t, b.Elected(), "the election of b")
	if err := b.stop(t); err != nil {
		t.Errorf("Start: %v", err)
	}
	if holder(ns) == "" {
		t.Error("released WithoutRelease")
	}
}

func TestLossWithRunOnceWorkEndsStartAfterTheWork(t *testing.T) {
	causes := map[string]error{
		"deleted Lease": elector.ErrLeaseDeleted, "foreign holder": elector.ErrTakenOver, "partition": elector.ErrLeaseExpired,
	}
	for name, lose := range losses {
		t.Run(name, func(t *testing.T) {
			ns := namespace(t)
			var cut atomic.Bool
			var j journal
			m := newManager(t, ns, onLink(&cut))
			if err := setupConfigMaps(func(context.Context, reconcile.Request) (reconcile.Result, error) {
				return reconcile.Result{}, nil
			})(m); err != nil {
				t.Fatal(err)
			}
			mayStop := make(chan struct{})
			mustAdd(t, m, crmanager.RunnableFunc(func(ctx context.Context) error {
				<-ctx.Done()
				j.add("told to stop")
				<-mayStop
				j.add("returns")
				return nil
			}))
			a := start(t, m)
			receive(t, a.Elected(), "the election")
			lose(t, ns, &cut)
			eventually(t, "the end of the work's context", func() bool { return j.has("told to stop") })
			if len(a.err) > 0 {
				t.Fatal("Start returned while the work was running")
			}
			close(mayStop)
			err := receive(t, a.err, "the end of Start")
			if !errors.Is(err, manager.ErrLeadershipLost) || !errors.Is(err, causes[name]) {
				t.Errorf("Start: %v, want ErrLeadershipLost and %v", err, causes[name])
			}
			if !j.has("returns") {
				t.Error("Start returned before the work")
			}
		})
	}
}

func TestWorkThatWillNotStopIsNamedAndItsLeaseNotReleased(t *testing.T) {
	ns := namespace(t)
	var hooked atomic.Value
	m := newManager(t, ns, func(o *ctrl.Options) { o.GracefulShutdownTimeout = ptr.To(2 * time.Second) },
		manager.WithExitHook(func(err error) { hooked.Store(err) }))
	release := make(chan struct{})
	defer close(release)
	mustAdd(t, m, &stubborn{"mule", release})
	a := start(t, m)
	receive(t, a.Elected(), "the election")
	began := time.Now()
	err := a.stop(t)
	if took := time.Since(began); took > 2500*time.Millisecond {
		t.Errorf("Start returned after %v, with a GracefulShutdownTimeout of 2s", took)
	}
	if !errors.Is(err, elector.ErrDrainTimeout) || !strings.Contains(err.Error(), `*integration.stubborn "mule"`) {
		t.Errorf("Start: %v, want ErrDrainTimeout naming the mule", err)
	}
	if got, _ := hooked.Load().(error); !errors.Is(got, elector.ErrDrainTimeout) {
		t.Errorf("the exit hook got %v", got)
	}
	if holder(ns) == "" {
		t.Error("released while the work was running")
	}
}

// stubborn does not listen to its context.
type stubborn struct {
	Name    string
	release chan struct{}
}

func (s *stubborn) Start(context.Context) error { <-s.release; return nil }

func TestErrorOfGatedWorkEndsStartReleased(t *testing.T) {
	ns := namespace(t)
	broken := errors.New("broken")
	m := newManager(t, ns, nil)
	mustAdd(t, m, crmanager.RunnableFunc(func(context.Context) error { return broken }))
	a := start(t, m)
	if err := receive(t, a.err, "the end of Start"); err != broken {
		t.Errorf("Start: %v, want the runnable's own error", err)
	}
	if h := holder(ns); h != "" {
		t.Errorf("the Lease is held by %s", h)
	}
}

func TestWithoutLeaderElectionTheManagerLeadsAtOnce(t *testing.T) {
	ns := namespace(t)
	var j journal
	m := newManager(t, ns, func(o *ctrl.Options) { o.LeaderElection = false })
	mustAdd(t, m, crmanager.RunnableFunc(func(ctx context.Context) error {
		j.add("runs")
		<-ctx.Done()
		return nil
	}))
	a := start(t, m)
	receive(t, a.Elected(), "being elected")
	eventually(t, "the gated work", func() bool { return j.has("runs") })
	if err := a.stop(t); err != nil {
		t.Errorf("Start: %v", err)
	}
	if leases(ns) != nil {
		t.Error("there is a Lease")
	}
}

// warmedUp is a gated runnable with a Warmup.
type warmedUp struct{ warm chan struct{} }

func (w *warmedUp) Start(ctx context.Context) error { <-ctx.Done(); return nil }
func (w *warmedUp) Warmup(context.Context) error    { close(w.warm); return nil }
