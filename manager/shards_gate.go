// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"context"

	"github.com/kube-elector/elector/elector/shards"
)

// shard divides the requests of gated controllers into shards, each of which has tenures of its own. It is called
// before anything is added.
func (g *Gate) divide(d *division, callbacks ShardCallbacks) {
	g.tenures.division = d
	g.listeners.accepts, g.listeners.listening = g.tenures.covers, true
	g.serving = map[*tenure]bool{}
	g.shardCallbacks = callbacks
}

// divided reports whether requests are divided into shards. If so, gated controllers have nothing to do with the
// leadership.
func (g *Gate) divided() bool { return g.tenures.division != nil }

// shards returns the callbacks that drive the Gate's shards.
func (g *Gate) shards() shards.Callbacks {
	return shards.Callbacks{
		OnStarted: g.serveShard,
		OnOtherCount: func(err error) {
			g.log.Error("this replica reconciles nothing and waits: replicas with another number of shards are running", "err", err)
		},
	}
}

// serveShard hands out the requests of a shard until ctx ends, and waits for them.
func (g *Gate) serveShard(ctx context.Context, i int) {
	t := newTenure(ctx, shard(i))
	if !g.enter(t) {
		return
	}
	defer g.leave(t)
	if f := g.shardCallbacks.OnAcquired; f != nil {
		f(t.ctx, i)
	}
	g.tenures.open(t)
	g.listeners.replay(t.shard) // only now, as what concerns shards without a tenure is dropped
	<-t.ctx.Done()
	<-g.tenures.close(t, context.Cause(ctx))
	if f := g.shardCallbacks.OnLost; f != nil {
		f(i)
	}
}

// enter counts a shard in, and starts controllers if it is the first. It reports false if the Gate has ended.
func (g *Gate) enter(t *tenure) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	if !g.served {
		g.served = true
		close(g.elected)
	}
	g.serving[t] = true
	return true
}

// leave counts a shard out. The last one ends what outlives it.
func (g *Gate) leave(t *tenure) {
	g.mu.Lock()
	delete(g.serving, t)
	last := g.stopping && g.idleLocked()
	g.mu.Unlock()
	if last {
		g.finish()
	}
}

// idleLocked reports whether neither a term nor a shard's tenure lasts.
func (g *Gate) idleLocked() bool { return g.term == nil && len(g.serving) == 0 }
