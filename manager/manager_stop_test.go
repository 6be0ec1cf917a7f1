// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/kube-elector/elector/elector"
	"github.com/kube-elector/elector/elector/leasetest"
)

// controller-runtime starts everything else when the caches have synced, even if its context has ended by then.
func TestManagerStoppedWhileStartingRunsNoGatedWork(t *testing.T) {
	for _, elect := range []bool{true, false} {
		var j journal
		server := leasetest.NewServer()
		m := newReplica(t, server, "a", func(o *ctrl.Options) { o.LeaderElection = elect })
		mustAdd(t, m, j.worker("gated", atOnce))
		if err := m.EachTerm(func(context.Context) error { j.add("in a term"); return nil }); err != nil {
			t.Fatal(err)
		}
		slow := &slowCache{started: make(chan struct{}), synced: make(chan struct{})}
		mustAdd(t, m, slow)
		run := begin(m.Start)
		<-slow.started
		run.stop()
		close(slow.synced)
		if err := run.wait(); err != nil {
			t.Errorf("Start: %v", err)
		}
		j.expect(t)
		if got := server.Requests("a", ""); got != 0 {
			t.Errorf("%d requests about the Lease", got)
		}
	}
}

// slowCache has synced when it is told so.
type slowCache struct {
	cache.Cache
	started, synced chan struct{}
}

func (s *slowCache) GetCache() cache.Cache                 { return s }
func (s *slowCache) Start(ctx context.Context) error       { close(s.started); <-ctx.Done(); return nil }
func (s *slowCache) WaitForCacheSync(context.Context) bool { <-s.synced; return true }

func TestGracePeriodBoundsEverything(t *testing.T) {
	for _, test := range []struct {
		name    string
		grace   time.Duration
		hangs   time.Duration // how long the work takes to stop
		took    time.Duration
		err     error
		release bool
	}{
		{"in time", 10 * time.Second, 8 * time.Second, 8 * time.Second, nil, true},
		{"too slow", 10 * time.Second, time.Hour, 9 * time.Second, elector.ErrDrainTimeout, false},
		{"no waiting", 0, 5 * time.Second, 0, nil, false},
		{"for ever", -1, 2 * time.Hour, 2 * time.Hour, nil, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := leasetest.NewServer()
				m := newReplica(t, server, "a", func(o *ctrl.Options) { o.GracefulShutdownTimeout = &test.grace })
				mustAdd(t, m, manager.RunnableFunc(func(ctx context.Context) error {
					<-ctx.Done()
					time.Sleep(test.hangs)
					return nil
				}))
				run := begin(m.Start)
				<-m.Elected()
				pass(time.Minute)
				run.stop()
				began := time.Now()
				err := run.wait()
				if took := time.Since(began); took.Round(100*time.Millisecond) != test.took {
					t.Errorf("took %v, want %v", took, test.took)
				}
				if !errors.Is(err, test.err) {
					t.Errorf("Start: %v, want %v", err, test.err)
				}
				if released := holder(server) == ""; released != test.release {
					t.Errorf("released %v, want %v", released, test.release)
				}
				afterwards()
			})
		})
	}
}

// The Lease stays held until it lapses, and what is measured stays true.
func TestStopWithARequestThatHangsNamesItAndDoesNotRelease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := leasetest.NewServer()
		release := make(chan struct{})
		var reconciles atomic.Int64
		m := newReplica(t, server, "a", nil)
		ticking(t, m, &reconciles, func(context.Context) { <-release })
		run := begin(m.Start)
		pass(time.Minute)
		run.stop()
		began := time.Now()
		err := run.wait()
		if took := time.Since(began).Round(time.Second); took != 29*time.Second {
			t.Errorf("Start returned after %v, with a GracefulShutdownTimeout of 30s, of which 1s is kept", took)
		}
		if !errors.Is(err, elector.ErrDrainTimeout) || !strings.Contains(err.Error(), `controller "ticking" reconciling`) {
			t.Errorf("Start: %v, want ErrDrainTimeout naming the request", err)
		}
		expect := func(when, metric string, want float64) {
			t.Helper()
			if got := measured(t, metric, "ticking"); got != want {
				t.Errorf("%s: %s is %v, want %v", when, metric, got, want)
			}
		}
		if holder(server) == "" {
			t.Error("released while a request was running")
		}
		before := measured(t, "controller_runtime_reconcile_total", "ticking")
		expect("at the end", "controller_runtime_active_workers", 1)
		close(release)
		afterwards()
		expect("when the request has returned", "controller_runtime_active_workers", 0)
		expect("when the request has returned", "controller_runtime_reconcile_total", before+1)
		expect("when the request has returned", "workqueue_depth", 0)
		if n := reconciles.Load(); n != 1 {
			t.Errorf("%d reconciles", n)
		}
	})
}

func TestExitHookIsToldWhatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var hooked atomic.Pointer[error]
		release := make(chan struct{})
		server := leasetest.NewServer()
		m := newReplica(t, server, "a", nil, WithExitHook(func(err error) { hooked.Store(&err) }))
		mustAdd(t, m, &stubborn{"mule", release})
		run := begin(m.Start)
		<-m.Elected()
		server.Delete("ns", "lease")
		err := run.wait()
		if !errors.Is(err, elector.ErrDrainTimeout) || !strings.Contains(err.Error(), `stubborn "mule"`) {
			t.Errorf("Start: %v, want ErrDrainTimeout naming the mule", err)
		}
		if got := hooked.Load(); got == nil || (*got).Error() != err.Error() {
			t.Errorf("the hook got %v, Start returned %v", got, err)
		}
		close(release)
		afterwards()
	})
}

func TestAReleaseThatFailsIsAWarningOfACleanStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		var buffer logged
		logger := logr.FromSlogHandler(slog.NewTextHandler(&buffer, nil))
		server := leasetest.NewServer()
		m := newReplica(t, server, "a", func(o *ctrl.Options) { o.Logger = logger })
		mustAdd(t, m, j.worker("gated", atOnce))
		run := begin(m.Start)
		<-m.Elected()
		server.Client("a").Partition()
		run.stop()
		if err := run.wait(); err != nil {
			t.Errorf("Start: %v", err)
		}
		afterwards()
		if text := buffer.String(); holder(server) == "" || !strings.Contains(text, elector.ErrNotReleased.Error()) {
			t.Errorf("held by %q, logged:\n%s", holder(server), text)
		}
		if strings.Contains(buffer.String(), "level=ERROR") {
			t.Errorf("an error was logged:\n%s", buffer.String())
		}
	})
}

// hungEvents records no Event before the channel is closed, whatever the context says.
type hungEvents struct {
	corev1client.EventInterface
	until chan struct{}
}

func (h hungEvents) CreateWithEventNamespaceWithContext(_ context.Context, event *corev1.Event) (*corev1.Event, error) {
	<-h.until
	return event, nil
}

func TestARequestBesideTheElectionThatHangsDoesNotDelayTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		var buffer logged
		server := leasetest.NewServer()
		m := newReplica(t, server, "a", func(o *ctrl.Options) { o.Logger = logr.FromSlogHandler(slog.NewTextHandler(&buffer, nil)) })
		hung := hungEvents{until: make(chan struct{})}
		m.events.client = hung
		mustAdd(t, m, j.worker("gated", atOnce))
		run := begin(m.Start)
		<-m.Elected()
		pass(time.Second)
		at := time.Now()
		run.stop()
		if err := run.wait(); err != nil || time.Since(at) > time.Second {
			t.Errorf("Start: %v after %v", err, time.Since(at))
		}
		close(hung.until)
		afterwards()
		if !strings.Contains(buffer.String(), "ignores its context") {
			t.Errorf("not logged:\n%s", buffer.String())
		}
	})
}
