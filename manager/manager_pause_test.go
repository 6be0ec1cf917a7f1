// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/kube-elector/elector/elector"
	"github.com/kube-elector/elector/elector/leasetest"
)

// ticking adds a controller to m that reconciles one object every second, as an operator with one changed line does.
func ticking(t *testing.T, m ctrl.Manager, reconciles *atomic.Int64, do func(ctx context.Context)) {
	t.Helper()
	c, err := controller.New("ticking", m, controller.Options{
		SkipNameValidation: ptr.To(true),
		Reconciler: reconcile.Func(func(ctx context.Context, _ reconcile.Request) (reconcile.Result, error) {
			if reconciles.Add(1); do != nil {
				do(ctx)
			}
			return reconcile.Result{RequeueAfter: time.Second}, nil
		}),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Watch(source.Func(func(_ context.Context, q workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
		q.Add(reconcile.Request{})
		return nil
	})); err != nil {
		t.Fatal(err)
	}
}

// One changed line: however long the API server is away, no process ends, no reconcile begins while its replica does
// not lead, and work goes on when it returns.
func TestOutageIsAPause(t *testing.T) {
	for _, replicas := range []int{1, 3} {
		for _, outage := range []time.Duration{3 * time.Second, 15 * time.Second, time.Minute, 10 * time.Minute} {
			synctest.Test(t, func(t *testing.T) {
				server := leasetest.NewServer()
				var reconciles, outside atomic.Int64
				var all []*Manager
				var runs []*begun
				for i := range replicas {
					m := newReplica(t, server, string(rune('a'+i)), nil)
					ticking(t, m, &reconciles, func(ctx context.Context) {
						if term, ok := elector.TermFromContext(ctx); !ok || term.Remaining() == 0 || ctx.Err() != nil {
							outside.Add(1)
						}
					})
					all = append(all, m)
					runs = append(runs, begin(m.Start))
					pass(10 * time.Second)
				}
				for i := range all {
					server.Client(string(rune('a'+i))).Fail(errors.New("connection refused"), -1)
					server.Client(string(rune('a' + i))).CutWatches()
				}
				pass(outage)
				before := reconciles.Load()
				for i := range all {
					server.Client(string(rune('a'+i))).Fail(nil, 0)
				}
				pass(6 * time.Second)
				leaders := 0
				for _, m := range all {
					if m.Elector().IsLeader() {
						leaders++
					}
				}
				if n := reconciles.Load() - before; leaders != 1 || n < 3 {
					t.Errorf("%d replicas, API server away for %v: %d leaders and %d reconciles in 6s after its return", replicas, outage, leaders, n)
				}
				if outside.Load() != 0 {
					t.Errorf("%d reconciles outside a term", outside.Load())
				}
				ended := 0
				for _, run := range runs {
					if run.returned() {
						ended++
					}
					run.stop()
					if err := run.wait(); err != nil && !errors.Is(err, ErrLeadershipLost) {
						t.Errorf("Start: %v", err)
					}
				}
				if ended > 1 || replicas == 1 && ended > 0 {
					t.Errorf("%d of %d processes have ended in an outage of %v", ended, replicas, outage)
				}
				afterwards()
			})
		}
	}
}

func TestHangingRequestEndsStartBeforeAnotherReplicaLeads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := leasetest.NewServer()
		var hooked atomic.Pointer[error]
		m := newReplica(t, server, "a", nil, WithExitHook(func(err error) { hooked.Store(&err) }))
		release := make(chan struct{})
		var reconciles atomic.Int64
		ticking(t, m, &reconciles, func(context.Context) { <-release })
		// What stops slowly must not keep Start from returning.
		mustAdd(t, m, everywhere(func(ctx context.Context) error { <-ctx.Done(); time.Sleep(20 * time.Second); return nil }))
		run := begin(m.Start)
		pass(time.Minute)
		server.Client("a").Partition()
		began := time.Now()
		err := run.wait()
		if took := time.Since(began); took > 15*time.Second {
			t.Errorf("Start returned %v after the last renewal, and the lease lasts 15s", took)
		}
		if !errors.Is(err, elector.ErrDrainTimeout) || !strings.Contains(err.Error(), `controller "ticking" reconciling`) {
			t.Errorf("Start: %v, want ErrDrainTimeout naming the request", err)
		}
		if got := hooked.Load(); got == nil || (*got).Error() != err.Error() {
			t.Errorf("the hook got %v, Start returned %v", got, err)
		}
		close(release)
		afterwards()
	})
}

// Elected stays closed, so what acts on it must not outlive the term.
func TestCallerOfElectedEndsTheProcessWithTheTermUnlessItIsAProbe(t *testing.T) {
	for _, probe := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			server := leasetest.NewServer()
			var options []Option
			if probe {
				options = append(options, WithElectedAsProbe())
			}
			m := newReplica(t, server, "a", nil, options...)
			ticking(t, m, &atomic.Int64{}, nil)
			var told atomic.Bool
			mustAdd(t, m, everywhere(func(ctx context.Context) error { <-ctx.Done(); told.Store(true); return nil }))
			run := begin(m.Start)
			<-m.Elected()
			pass(time.Second)
			server.Client("a").Partition()
			for m.Elector().IsLeader() {
				pass(10 * time.Millisecond)
			}
			pass(10 * time.Millisecond)
			if told.Load() == probe {
				t.Errorf("a probe %v: all are told to stop: %v", probe, told.Load())
			}
			run.stop()
			if err := run.wait(); errors.Is(err, ErrLeadershipLost) == probe {
				t.Errorf("a probe %v: Start: %v", probe, err)
			}
			afterwards()
		})
	}
}
