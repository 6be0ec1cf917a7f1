// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"context"
	"errors"
	"flag"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

var modelSteps = flag.Int("gate.steps", 20_000, "steps of the gate's model for each kind of queue")

const (
	modelKeys      = 1000
	modelShards    = 2
	modelWorkers   = 6
	modelEnqueuers = 3
	modelCheck     = 5000 // steps between two looks for what was lost
)

// model drives a gated queue and its reconciler at random, with workers that do what controller-runtime's do, and looks
// for requests that run outside a tenure or are lost.
type model struct {
	t       *testing.T
	rand    *rand.Rand // the driver's
	tenures *tenures
	gated   *gated[int]
	queue   *gatedQueue[int]
	workers sync.WaitGroup
	faults  atomic.Int64

	reconciles, cutShort, retries atomic.Int64

	open [modelShards]*modelTenure // only the driver's
	mu   sync.Mutex                // guards all below
	keys [modelKeys]modelKey
}

type modelKey struct {
	wanted, done int // versions: how often it was enqueued, and which of them a reconcile has seen to
	running      bool
}

type modelTenure struct {
	*tenure
	settled bool // all that began in it is said to have ended
}

type tenureKey struct{}

func newModel(t *testing.T, seed uint64, prioritised bool) *model {
	m := &model{t: t, rand: rand.New(rand.NewPCG(seed, 1)), tenures: newTenures()}
	m.gated = &gated[int]{tenures: m.tenures, makeQueue: func(_ string, limiter workqueue.TypedRateLimiter[int]) workqueue.TypedRateLimitingInterface[int] {
		if prioritised {
			return priorityqueue.New("", func(o *priorityqueue.Opts[int]) { o.RateLimiter = limiter })
		}
		return workqueue.NewTypedRateLimitingQueue(limiter)
	}}
	m.gated.reconciler = reconcile.TypedFunc[int](m.reconcile)
	m.gated.newQueue("model", workqueue.NewTypedItemExponentialFailureRateLimiter[int](time.Millisecond, 20*time.Millisecond))
	m.queue = m.gated.queue.Load()
	m.queue.shardOf = func(key int) shard { return shard(key % modelShards) }
	for range modelWorkers {
		m.workers.Go(func() {
			for m.work() {
			}
		})
	}
	return m
}

func (m *model) fault(format string, args ...any) {
	if m.faults.Add(1) <= 5 {
		m.t.Errorf(format, args...)
	}
}

// work does what controller-runtime's processNextWorkItem does.
func (m *model) work() bool {
	key, priority, shutdown := m.queue.GetWithPriority()
	if shutdown {
		return false
	}
	defer m.queue.Done(key)
	switch result, err := m.gated.Reconcile(context.Background(), key); {
	case err != nil:
		m.retries.Add(1)
		m.queue.AddWithOpts(priorityqueue.AddOpts{RateLimited: true, Priority: &priority}, key)
	case result.RequeueAfter > 0:
		m.queue.Forget(key)
		m.queue.AddWithOpts(priorityqueue.AddOpts{After: result.RequeueAfter, Priority: &priority}, key)
	default:
		m.queue.Forget(key)
	}
	return true
}

// reconcile looks at the world as it begins and as it ends, and does its work or not.
func (m *model) reconcile(ctx context.Context, key int) (reconcile.Result, error) {
	m.reconciles.Add(1)
	within, _ := ctx.Value(tenureKey{}).(*modelTenure)
	version := m.enter(within, key)
	defer m.leave(within, key)
	switch rand.IntN(8) {
	case 0:
		return reconcile.Result{}, errors.New("failed")
	case 1: // a cancellation that is swallowed
		select {
		case <-ctx.Done():
			m.cutShort.Add(1)
			return reconcile.Result{}, nil
		case <-time.After(time.Duration(rand.IntN(20)) * time.Millisecond):
		}
	case 2: // one that is reported
		select {
		case <-ctx.Done():
			m.cutShort.Add(1)
			return reconcile.Result{}, ctx.Err()
		case <-time.After(time.Duration(rand.IntN(20)) * time.Millisecond):
		}
	case 3: // one that is not noticed, in work that outlasts the patience of the driver
		time.Sleep(time.Duration(rand.IntN(40)) * time.Millisecond)
	case 4: // one that makes it come back much later
		select {
		case <-ctx.Done():
			m.cutShort.Add(1)
			return reconcile.Result{RequeueAfter: 1000 * time.Hour}, nil
		case <-time.After(time.Duration(rand.IntN(5)) * time.Millisecond):
		}
	}
	m.mu.Lock()
	m.keys[key].done = max(m.keys[key].done, version)
	m.mu.Unlock()
	return reconcile.Result{}, nil
}

func (m *model) enter(within *modelTenure, key int) (version int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	k := &m.keys[key]
	switch {
	case within == nil:
		m.fault("key %d is reconciled in no tenure", key)
	case within.settled:
		m.fault("key %d is reconciled in a tenure that has ended", key)
	case within.shard != m.queue.shardOf(key):
		m.fault("key %d is reconciled in the tenure of shard %d", key, within.shard)
	case k.running:
		m.fault("key %d is reconciled twice at a time", key)
	}
	k.running = true
	return k.wanted
}

func (m *model) leave(within *modelTenure, key int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.keys[key].running = false
	if within != nil && within.settled {
		m.fault("key %d was still reconciled when its tenure was said to have ended", key)
	}
}

func TestGateRunsNoRequestOutsideItsTenureAndLosesNone(t *testing.T) {
	for name, prioritised := range map[string]bool{"priority queue": true, "plain queue": false} {
		seed := rand.Uint64()
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newModel(t, seed, prioritised)
				m.run(*modelSteps)
				// It is stopped in the midst of it all.
				m.enqueue(m.rand, modelKeys)
				m.stop()
				t.Logf("seed %d: %d steps, %d reconciles, %d cut short, %d retries", seed, *modelSteps, m.reconciles.Load(), m.cutShort.Load(), m.retries.Load())
			})
		})
	}
}
