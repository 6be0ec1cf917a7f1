// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/kube-elector/elector/elector"
	"github.com/kube-elector/elector/manager"
)

var measureShards = flag.Bool("shards.measure", false, "measure a sharded operator with 1,000 objects, too: takes minutes")

// crew is the replicas of a sharded operator. It records who reconciles what, and fails the test when two replicas
// reconcile one object at a time.
type crew struct {
	t         *testing.T
	namespace string
	n         int           // shards
	workers   int           // of each replica
	takes     time.Duration // a reconcile
	again     time.Duration // after which each object is reconciled again; 0 for never

	mu     sync.Mutex // guards all below
	mates  []*mate
	busy   map[string]string
	last   map[string]elector.Token
	total  int
	gave   map[int]time.Time // when the shard was given back, until it is taken
	took   map[int]time.Time // when it was taken, until its first reconcile
	gaps   []time.Duration   // from giving back to taking
	firsts []time.Duration   // from taking to the first reconcile
	moves  int
	moved  time.Time // the first of them
}

type mate struct {
	*manager.Manager
	*replica
	name string
}

func newCrew(t *testing.T, n int) *crew {
	return &crew{
		t: t, namespace: namespace(t), n: n, workers: 4, takes: time.Millisecond,
		busy: map[string]string{}, last: map[string]elector.Token{}, gave: map[int]time.Time{}, took: map[int]time.Time{},
	}
}

// join starts a replica.
func (c *crew) join(name string) *mate {
	c.t.Helper()
	m := newManager(c.t, c.namespace, nil, manager.WithIdentity(name), manager.WithShards(c.n),
		manager.WithShardCallbacks(manager.ShardCallbacks{OnAcquired: c.acquired, OnLost: c.lost}))
	err := ctrl.NewControllerManagedBy(m).For(&corev1.ConfigMap{}).
		WithOptions(controller.Options{MaxConcurrentReconciles: c.workers}).
		Complete(reconcile.Func(func(ctx context.Context, r reconcile.Request) (reconcile.Result, error) {
			return c.reconcile(ctx, m, name, r)
		}))
	if err != nil {
		c.t.Fatal(err)
	}
	joined := &mate{Manager: m, replica: start(c.t, m), name: name}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mates = append(c.mates, joined)
	return joined
}

// leave stops a replica.
func (c *crew) leave(m *mate) {
	c.t.Helper()
	c.mu.Lock()
	c.mates = slices.DeleteFunc(c.mates, func(other *mate) bool { return other == m })
	c.mu.Unlock()
	if err := m.stop(c.t); err != nil {
		c.t.Errorf("%s: Start: %v", m.name, err)
	}
}

func (c *crew) acquired(_ context.Context, shard int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if at, ok := c.gave[shard]; ok {
		c.gaps = append(c.gaps, now.Sub(at))
		delete(c.gave, shard)
	}
	if c.moves++; c.moves == 1 {
		c.moved = now
	}
	c.took[shard] = now
}

func (c *crew) lost(shard int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gave[shard] = time.Now()
}

func (c *crew) reconcile(ctx context.Context, m *manager.Manager, name string, r reconcile.Request) (reconcile.Result, error) {
	term, ok := elector.TermFromContext(ctx)
	c.mu.Lock()
	if other := c.busy[r.Name]; other != "" || !ok {
		c.t.Errorf("%s reconciles %s, as does %q; in a term: %v", name, r.Name, other, ok)
	}
	c.busy[r.Name] = name
	shard := m.ShardOf(r)
	if at, ok := c.took[shard]; ok {
		c.firsts = append(c.firsts, time.Since(at))
		delete(c.took, shard)
	}
	c.mu.Unlock()
	time.Sleep(c.takes)
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.busy, r.Name)
	c.last[r.Name] = term.Token
	c.total++
	return reconcile.Result{RequeueAfter: c.again}, nil
}

// balanced waits until the replicas share all shards.
func (c *crew) balanced() {
	c.t.Helper()
	eventually(c.t, "balance", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		total, fewest, most := 0, c.n, 0
		for _, m := range c.mates {
			held := len(m.Shards().Held())
			total, fewest, most = total+held, min(fewest, held), max(most, held)
		}
		return total == c.n && most-fewest <= 1
	})
}

// caughtUp waits until each of the objects has been reconciled in the present term of its shard.
func (c *crew) caughtUp(objects int) {
	c.t.Helper()
	eventually(c.t, "the reconciliation of every object in the term of its shard", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		for i := range objects {
			r := reconcile.Request{}
			r.Namespace, r.Name = c.namespace, fmt.Sprint("c", i+1)
			current := slices.ContainsFunc(c.mates, func(m *mate) bool {
				term, ok := m.Shards().Term(m.ShardOf(r))
				return ok && term.Token == c.last[r.Name]
			})
			if !current {
				return false
			}
		}
		return true
	})
}

func TestShardedOperatorOnARealAPIServer(t *testing.T) {
	const objects = 60
	c := newCrew(t, 16)
	createMany(t, c.namespace, objects)
	step := func(change func()) {
		t.Helper()
		change()
		c.balanced()
		c.caughtUp(objects)
	}
	var second *mate
	step(func() { c.join("a") })
	step(func() { second = c.join("b") })
	step(func() { c.join("c") })
	step(func() { c.leave(second) })
	// One with another number of shards waits for the others, and then has all.
	other := newCrew(t, 8)
	other.namespace = c.namespace
	stranger := other.join("stranger")
	receive(t, signalOf(t, stranger), "the start of the stranger")
	for len(c.mates) > 0 {
		if held := stranger.Shards().Held(); len(held) > 0 {
			t.Errorf("the stranger has %v beside the others", held)
		}
		c.leave(c.mates[0])
	}
	other.balanced()
	other.caughtUp(objects)
	if *measureShards {
		t.Run("throughput", measureThroughput)
		t.Run("moves", measureMoves)
		t.Run("many", measureMany)
	}
}

// signalOf returns a channel that is closed when the replica runs what every replica runs.
func signalOf(t *testing.T, m *mate) <-chan struct{} {
	running := make(chan struct{})
	mustAdd(t, m.Manager, everywhere(signal(running)))
	return running
}
