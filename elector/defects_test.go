// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr"
	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/klog/v2"
	"k8s.io/utils/ptr"

	"github.com/kube-elector/elector/elector/internal/lease"
	"github.com/kube-elector/elector/elector/leasetest"
)

// The tests in this file run on this Elector and on client-go's LeaderElector as it is. They demand that the defects
// measured in client-go are found there, which shows that the tests can find them, and are not found here.

// replica is a candidate of either kind.
type replica struct {
	id     string
	client *leasetest.Client
	run    func(ctx context.Context)

	mu       sync.Mutex // guards all below
	terms    []context.Context
	unpaired int // callbacks out of order
	open     int // terms started and not stopped
}

func (r *replica) started(ctx context.Context) {
	r.mu.Lock()
	r.terms = append(r.terms, ctx)
	r.open++
	if r.open != 1 {
		r.unpaired++
	}
	r.mu.Unlock()
	<-ctx.Done()
}

func (r *replica) stopped() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open--
	if r.open != 0 {
		r.unpaired++
	}
}

// works reports whether the replica's work has a live context.
func (r *replica) works() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.terms) > 0 && r.terms[len(r.terms)-1].Err() == nil
}

// start runs the replica, again and again, until the test ends or the returned function is called, which waits for it.
func (r *replica) start(t *testing.T) (stop func()) {
	ctx, cancel := context.WithCancel(klog.NewContext(t.Context(), logr.Discard()))
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			r.run(ctx)
		}
	}()
	stop = func() {
		cancel()
		<-done
	}
	t.Cleanup(stop)
	return stop
}

type makeReplica func(t *testing.T, client *leasetest.Client, id string) *replica

func ours(t *testing.T, client *leasetest.Client, id string) *replica {
	r := &replica{id: id, client: client}
	r.run = func(ctx context.Context) {
		config := testConfig(id)
		e, err := New(&config, client, Callbacks{OnStartedLeading: r.started, OnStoppedLeading: r.stopped},
			slog.New(slog.DiscardHandler))
		if err == nil {
			err = e.Start(ctx)
		}
		if err != nil && !errors.Is(err, ErrNotReleased) { // without a network it cannot be
			t.Error(err)
		}
	}
	return r
}

func clientGo(t *testing.T, client *leasetest.Client, id string) *replica {
	r := &replica{id: id, client: client}
	r.run = func(ctx context.Context) {
		le, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
			Lock: &resourcelock.LeaseLock{
				LeaseMeta:  metav1.ObjectMeta{Namespace: testNamespace, Name: testLease},
				Client:     client.CoordinationV1(),
				LockConfig: resourcelock.ResourceLockConfig{Identity: id},
			},
			LeaseDuration: DefaultLeaseDuration, RenewDeadline: DefaultRenewDeadline, RetryPeriod: DefaultRetryPeriod,
			ReleaseOnCancel: true,
			Callbacks:       leaderelection.LeaderCallbacks{OnStartedLeading: r.started, OnStoppedLeading: r.stopped},
		})
		if err != nil {
			t.Error(err)
			return
		}
		le.Run(ctx)
	}
	return r
}

// defect is one scenario; find returns how bad it was, 0 if all was well.
type defect struct {
	name string
	runs int
	find func(t *testing.T, w *world, make makeReplica) (found int, what string)
}

var defects = []defect{
	{"the successor's lease is blanked by a late release", 500, blankedSuccessor},
	{"the work goes on while a release hangs", 1, workDuringHungRelease},
	{"the work goes on after the lease was taken", 1, workAfter(func(w *world) {
		w.edit(func(l *coordinationv1.Lease) { l.Spec.HolderIdentity = ptr.To("x") })
	})},
	{"a deleted lease is made anew and led on with", 1, workAfter(func(w *world) {
		w.server.Delete(testNamespace, testLease)
	})},
	{"a late reply gives two leaders", 1, overlapAfterLateReply},
	{"callbacks out of order when cancelled after the win", 3000, unpairedCallbacks},
	{"two processes of one identity lead together", 1, oneIdentity},
}

func TestClientGosDefectsAreFoundThereAndNotHere(t *testing.T) {
	for _, d := range defects {
		t.Run(d.name, func(t *testing.T) {
			count := func(make makeReplica) (found int, last string) {
				for range d.runs {
					inWorld(t, func(t *testing.T, w *world) {
						if n, what := d.find(t, w, make); n > 0 {
							found, last = found+1, what
						}
					})
				}
				return found, last
			}
			theirs, what := count(clientGo)
			t.Logf("client-go: %d of %d runs, e.g. %s", theirs, d.runs, what)
			if theirs == 0 {
				t.Error("not found in client-go: this test can no longer fail")
			}
			if n, what := count(ours); n > 0 {
				t.Errorf("found here in %d of %d runs, e.g. %s", n, d.runs, what)
			}
		})
	}
}

// pairUp starts a leader and a standby.
func pairUp(t *testing.T, w *world, make makeReplica) (a, b *replica) {
	a, b = make(t, w.server.Client("a"), "a"), make(t, w.server.Client("b"), "b")
	a.start(t)
	w.until(time.Minute, "a works", a.works)
	b.start(t)
	time.Sleep(rand.N(10 * time.Second))
	return a, b
}

func blankedSuccessor(t *testing.T, w *world, make makeReplica) (found int, what string) {
	a, _ := pairUp(t, w, make)
	w.server.OnWrite(func(write leasetest.Write) {
		if old := lease.Holder(write.Old); write.Client == "a" && old == "b" {
			found, what = found+1, fmt.Sprintf("a wrote holder %q over b's record", lease.Holder(write.New))
		}
	})
	// Partitioned, then healed: what it sent meanwhile arrives when it heals.
	heals := time.Now().Add(8*time.Second + rand.N(15*time.Second))
	a.client.Intercept(func(leasetest.Op) leasetest.Fault {
		return leasetest.Fault{Delay: max(0, time.Until(heals))}
	})
	time.Sleep(40 * time.Second)
	synctest.Wait()
	return found, what
}

func workDuringHungRelease(t *testing.T, w *world, make makeReplica) (int, string) {
	a, _ := pairUp(t, w, make)
	sent := w.lastRenewal()
	a.client.Partition()
	w.until(time.Hour, "a's work is told to stop", func() bool { return !a.works() })
	if after := time.Since(sent); after > DefaultRenewDeadline+time.Millisecond {
		return 1, fmt.Sprintf("context cancelled %v after the last renewal", after)
	}
	return 0, ""
}

func workAfter(act func(*world)) func(*testing.T, *world, makeReplica) (int, string) {
	return func(t *testing.T, w *world, make makeReplica) (int, string) {
		a := make(t, w.server.Client("a"), "a")
		a.start(t)
		w.until(time.Minute, "a works", a.works)
		time.Sleep(time.Minute + time.Second)
		acted := time.Now()
		first := a.terms[0]
		act(w)
		for first.Err() == nil && time.Since(acted) < time.Minute {
			time.Sleep(time.Millisecond)
			synctest.Wait()
		}
		if after := time.Since(acted); after > 50*time.Millisecond {
			return 1, fmt.Sprintf("context alive %v later", after)
		}
		return 0, ""
	}
}

func overlapAfterLateReply(t *testing.T, w *world, make makeReplica) (int, string) {
	a, b := pairUp(t, w, make)
	a.client.Latency(0, 4900*time.Millisecond)
	time.Sleep(7 * time.Second)
	a.client.Partition()
	overlap := 0
	for range 40_000 {
		time.Sleep(time.Millisecond)
		synctest.Wait()
		if a.works() && b.works() {
			overlap++
		}
	}
	return overlap, fmt.Sprintf("%d ms with two leaders", overlap)
}

func unpairedCallbacks(t *testing.T, w *world, make makeReplica) (int, string) {
	a := make(t, w.server.Client("a"), "a")
	ctx, cancel := context.WithCancel(klog.NewContext(t.Context(), logr.Discard()))
	w.server.OnWrite(func(leasetest.Write) { cancel() })
	a.run(ctx)
	synctest.Wait()
	return a.unpaired, fmt.Sprintf("%d callbacks out of order", a.unpaired)
}

func oneIdentity(t *testing.T, w *world, make makeReplica) (int, string) {
	a, b := make(t, w.server.Client("a"), "same"), make(t, w.server.Client("b"), "same")
	a.start(t)
	w.until(time.Minute, "a works", a.works)
	b.start(t)
	both := 0
	for range 120 {
		time.Sleep(time.Second)
		synctest.Wait()
		if a.works() && b.works() {
			both++
		}
	}
	return both, fmt.Sprintf("%d s with two leaders", both)
}
