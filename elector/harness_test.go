// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes"

	"github.com/kube-elector/elector/elector/leasetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	testNamespace = "ns"
	testLease     = "lease"
)

// world is one API server and its candidates, in a bubble of virtual time.
type world struct {
	t      *testing.T
	server *leasetest.Server
	log    *history
}

// inWorld runs test in a bubble. Candidates that it leaves running are stopped.
func inWorld(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		test(t, &world{t: t, server: leasetest.NewServer(), log: &history{start: time.Now()}})
	})
}

// candidate is an Elector that runs, and what it was connected with.
type candidate struct {
	*Elector
	w      *world
	id     string
	client *leasetest.Client
	stop   context.CancelFunc
	done   chan error // Start's result
	// atEnd, if set, is called by OnStartedLeading when its context has ended.
	atEnd func(ctx context.Context)
}

func testConfig(id string) Config {
	return Config{Enabled: true, Identity: id, LeaseName: testLease, LeaseNamespace: testNamespace, ReleaseOnCancel: true}
}

// candidate makes a candidate whose callbacks write the world's history.
func (w *world) candidate(id string, change ...func(*Config)) *candidate {
	w.t.Helper()
	return w.candidateOn(w.server.Client(id), id, change...)
}

func (w *world) candidateOn(client kubernetes.Interface, id string, change ...func(*Config)) *candidate {
	w.t.Helper()
	config := testConfig(id)
	for _, c := range change {
		c(&config)
	}
	c := &candidate{w: w, id: id, done: make(chan error, 1)}
	c.client, _ = client.(*leasetest.Client)
	var err error
	c.Elector, err = New(&config, client, Callbacks{
		OnStartedLeading: func(ctx context.Context) {
			w.log.add("%s started", id)
			<-ctx.Done()
			w.log.add("%s cancelled: %v", id, context.Cause(ctx))
			if c.atEnd != nil {
				c.atEnd(ctx)
			}
			w.log.add("%s returned", id)
		},
		OnStoppedLeading: func() { w.log.add("%s stopped", id) },
		OnNewLeader:      func(leader string) { w.log.add("%s sees %s", id, leader) },
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// start runs the candidate until stop, or the test's end.
func (c *candidate) start() *candidate {
	ctx, cancel := context.WithCancel(c.w.t.Context())
	c.stop = cancel
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		c.done <- c.Start(ctx)
	}()
	c.w.t.Cleanup(func() {
		cancel()
		<-ended
	})
	return c
}

// leads waits until the candidate leads, and fails the test if it takes longer than limit of virtual time.
func (c *candidate) leads(limit time.Duration) time.Duration {
	c.w.t.Helper()
	return c.w.until(limit, c.id+" leads", c.IsLeader)
}

// until advances time by milliseconds until the condition holds.
func (w *world) until(limit time.Duration, what string, condition func() bool) time.Duration {
	w.t.Helper()
	for start := time.Now(); ; time.Sleep(time.Millisecond) {
		synctest.Wait()
		if condition() {
			return time.Since(start)
		}
		if time.Since(start) > limit {
			w.t.Fatalf("not within %v: %s\n%s", limit, what, w.log)
		}
	}
}

// result waits for Start to return.
func (c *candidate) result(limit time.Duration) error {
	c.w.t.Helper()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case err := <-c.done:
		return err
	case <-timer.C:
		c.w.t.Fatalf("%s: Start did not return within %v\n%s", c.id, limit, c.w.log)
		return nil
	}
}

// micro returns t as the Lease stores it.
func micro(t time.Time) *metav1.MicroTime {
	return &metav1.MicroTime{Time: t.Truncate(time.Microsecond)}
}

func (w *world) lease() *coordinationv1.Lease { return w.server.Get(testNamespace, testLease) }

func (w *world) edit(change func(*coordinationv1.Lease)) {
	w.server.Edit(testNamespace, testLease, change)
}

// history is what happened, in order, with the virtual time.
type history struct {
	start time.Time

	mu     sync.Mutex // guards events
	events []event
}

type event struct {
	at   time.Duration
	what string
}

func (h *history) add(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.events = append(h.events, event{time.Since(h.start), fmt.Sprintf(format, args...)})
}

func (h *history) all() []event {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.events)
}

// at returns when the event happened, first or for the nth time.
func (h *history) at(what string) (time.Duration, bool) {
	for _, e := range h.all() {
		if e.what == what {
			return e.at, true
		}
	}
	return 0, false
}

func (h *history) count(what string) int {
	n := 0
	for _, e := range h.all() {
		if e.what == what {
			n++
		}
	}
	return n
}

func (h *history) String() string {
	text := ""
	for _, e := range h.all() {
		text += fmt.Sprintf("%12v  %s\n", e.at, e.what)
	}
	return text
}

// wantOrder fails the test unless the events happened, each after the one before; others may stand between them.
func (w *world) wantOrder(events ...string) {
	w.t.Helper()
	i := 0
	for _, e := range w.log.all() {
		if i < len(events) && e.what == events[i] {
			i++
		}
	}
	if i < len(events) {
		w.t.Errorf("missing %q, in the order %q, in\n%s", events[i], events, w.log)
	}
}

// noWatch refuses watches only.
func noWatch(op leasetest.Op) leasetest.Fault {
	if op.Verb == "watch" {
		return leasetest.Fault{Err: apierrors.NewForbidden(schema.GroupResource{Resource: "leases"}, testLease, nil)}
	}
	return leasetest.Fault{}
}
