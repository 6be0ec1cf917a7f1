// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/webhook"

	"github.com/kube-elector/elector/elector"
	"github.com/kube-elector/elector/manager"
)

// createMany creates this many ConfigMaps, as fast as it goes.
func createMany(t testing.TB, namespace string, n int) {
	t.Helper()
	own := rest.CopyConfig(restConfig)
	own.QPS = -1
	clientset := kubernetes.NewForConfigOrDie(own)
	var wg sync.WaitGroup
	var next, failed atomic.Int64
	for range 8 {
		wg.Go(func() {
			for i := next.Add(1); i <= int64(n); i = next.Add(1) {
				_, err := clientset.CoreV1().ConfigMaps(namespace).Create(context.Background(),
					&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprint("c", i)}}, metav1.CreateOptions{})
				if err != nil {
					failed.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if failed.Load() > 0 {
		t.Fatalf("%d of %d ConfigMaps could not be created", failed.Load(), n)
	}
}

// termClock measures, for each term, the time from the Elector's line that it leads, just before OnStartedLeading, to
// the first reconcile.
type termClock struct {
	slog.Handler
	began atomic.Int64

	mu    sync.Mutex
	terms map[elector.Token]time.Duration
}

func (c *termClock) Handle(ctx context.Context, r slog.Record) error {
	if r.Message == "leading" {
		c.began.Store(time.Now().UnixNano())
	}
	if !c.Handler.Enabled(ctx, r.Level) {
		return nil
	}
	return c.Handler.Handle(ctx, r)
}

// Enabled, WithAttrs and WithGroup keep the clock.
func (c *termClock) Enabled(context.Context, slog.Level) bool { return true }
func (c *termClock) WithAttrs(attrs []slog.Attr) slog.Handler { return c }
func (c *termClock) WithGroup(string) slog.Handler            { return c }

func (c *termClock) reconcile(ctx context.Context, _ reconcile.Request) (reconcile.Result, error) {
	now := time.Now().UnixNano()
	term, _ := elector.TermFromContext(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, known := c.terms[term.Token]; !known {
		c.terms[term.Token] = time.Duration(now - c.began.Load())
	}
	return reconcile.Result{}, nil
}

func (c *termClock) seen() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.terms)
}

// footprint returns what a process has that may leak.
func footprint() (goroutines int, heap uint64) {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return runtime.NumGoroutine(), stats.HeapAlloc
}

// TestHundredTermsInOneProcessLeaveNothingBehind hands leadership to and fro between two replicas a hundred times, with
// two controllers each, a webhook and 1,000 objects.
func TestHundredTermsInOneProcessLeaveNothingBehind(t *testing.T) {
	const terms, objects = 100, 1000
	ns := namespace(t)
	createMany(t, ns, objects)
	clock := &termClock{Handler: slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelError}), terms: map[elector.Token]time.Duration{}}
	webhooks := webhook.NewServer(webhook.Options{Host: "127.0.0.1", Port: freePort(t), CertDir: certificates(t)})
	var reconciles atomic.Int64
	newReplica := func(webhooks webhook.Server) *manager.Manager {
		m := newManager(t, ns, func(o *ctrl.Options) {
			o.Logger = manager.NewLogr(slog.New(clock))
			o.WebhookServer = webhooks
		}, manager.WithReElection())
		if err := errors.Join(
			setupNamed(m, "of a hundred terms", clock.reconcile),
			setupNamed(m, "counted", func(context.Context, reconcile.Request) (reconcile.Result, error) {
				reconciles.Add(1)
				return reconcile.Result{}, nil
			}),
		); err != nil {
			t.Fatal(err)
		}
		return m
	}
	leader, next := newReplica(webhooks), newReplica(nil)
	leader.GetWebhookServer().Register("/x", http.NotFoundHandler())
	running := []*replica{start(t, leader)}
	eventually(t, "the first leader", func() bool { return leader.Elector().IsLeader() })
	running = append(running, start(t, next))
	var goroutines [terms]int
	var heap [terms]uint64
	for i := range terms {
		eventually(t, fmt.Sprintf("the first reconcile of term %d", i+1), func() bool { return clock.seen() == i+1 })
		eventually(t, "sight of the leader", func() bool { return next.Elector().GetLeader() == holder(ns) })
		goroutines[i], heap[i] = footprint()
		if err := leader.Elector().StepDown(t.Context()); err != nil {
			t.Fatal(err)
		}
		leader, next = next, leader
	}
	for _, r := range running {
		if err := r.stop(t); err != nil {
			t.Errorf("Start: %v", err)
		}
	}
	for _, metric := range []string{"workqueue_depth", "controller_runtime_active_workers"} {
		if n := gauge(t, metric, "of a hundred terms") + gauge(t, metric, "counted"); n != 0 {
			t.Errorf("%s is %v after the end", metric, n)
		}
	}
	// A request that a worker has taken when the term ends is counted, too, and comes to nothing.
	if counted, made := gauge(t, "controller_runtime_reconcile_total", "counted"), float64(reconciles.Load()); counted < made || counted > made+terms {
		t.Errorf("%v reconciles are counted, %v were made", counted, made)
	}
	// A term costs a few goroutines and some hundred KiB while it lasts.
	if was, is := goroutines[9], goroutines[terms-1]; is > was+10 {
		t.Errorf("%d goroutines in term 10, %d in term %d", was, is, terms)
	}
	if was, is := heap[9], heap[terms-1]; is > was+was/2 {
		t.Errorf("%d KiB of heap in term 10, %d in term %d", was>>10, is>>10, terms)
	}
	delays := slices.Sorted(maps.Values(clock.terms))
	t.Logf("first reconcile after OnStartedLeading: p50 %v, p99 %v, max %v", delays[terms/2], delays[terms*99/100], delays[len(delays)-1])
	t.Logf("goroutines: term 10 %d, term 100 %d", goroutines[9], goroutines[99])
	t.Logf("heap: term 10 %d KiB, term 100 %d KiB", heap[9]>>10, heap[99]>>10)
}
