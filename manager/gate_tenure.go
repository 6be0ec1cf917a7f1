// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"context"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
)

// A shard is a set of keys that changes hands as a whole.
type shard int

// everything is the shard of leadership. It has all keys, unless they are divided among others.
const everything shard = -1

// A tenure is a time during which this replica may work on the keys of one shard: its term, for the shard of
// leadership. The tenure is over when its context ends. It is idle when it has been sealed and no request that began in
// it is still running.
type tenure struct {
	ctx      context.Context
	cancel   context.CancelCauseFunc
	shard    shard
	flushing sync.WaitGroup // hands parked keys to the queues

	mu       sync.Mutex // guards all below
	inFlight int
	sealed   bool
	idle     chan struct{} // closed when sealed and nothing is in flight
}

// newTenure returns a tenure that lasts until ctx ends or it is closed.
func newTenure(ctx context.Context, s shard) *tenure {
	t := &tenure{shard: s, idle: make(chan struct{})}
	t.ctx, t.cancel = context.WithCancelCause(ctx)
	return t
}

// over reports whether the tenure has ended. Requests that began in it may still be running.
func (t *tenure) over() bool { return t.ctx.Err() != nil }

// begin counts a request in. It reports false if the tenure is over.
func (t *tenure) begin() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.sealed || t.over() {
		return false
	}
	t.inFlight++
	return true
}

// end counts a request out.
func (t *tenure) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.inFlight--
	t.checkIdleLocked()
}

// seal ends the tenure with this cause, if it has not ended yet, and lets no request begin any more.
func (t *tenure) seal(cause error) {
	t.cancel(cause)
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.sealed {
		t.sealed = true
		t.checkIdleLocked()
	}
}

func (t *tenure) checkIdleLocked() {
	if t.sealed && t.inFlight == 0 {
		close(t.idle)
	}
}

// tenures knows which shards this replica may work on. The queues of all gated controllers ask it.
type tenures struct {
	division *division                         // how keys are divided into shards; nil if they are not
	current  atomic.Pointer[map[shard]*tenure] // the map is replaced, never changed, as every request looks at it

	mu     sync.Mutex // guards replacing current, and all below
	queues []parkingQueue
}

// A parkingQueue keeps the keys that no tenure covers.
type parkingQueue interface {
	// flush hands out the parked keys of the tenure's shard.
	flush(t *tenure)
	// running describes the requests of the tenure that have not ended, or returns "".
	running(t *tenure) string
	// waiting returns the controller's name, and how many of its keys are parked.
	waiting() (controller string, parked int)
}

func newTenures() *tenures {
	ts := &tenures{}
	ts.current.Store(&map[shard]*tenure{})
	return ts
}

// add makes later tenures flush the queue.
func (ts *tenures) add(q parkingQueue) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	ts.queues = append(ts.queues, q)
}

func (ts *tenures) all() []parkingQueue {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	return slices.Clone(ts.queues)
}

// of returns the shard's tenure, or nil.
func (ts *tenures) of(s shard) *tenure { return (*ts.current.Load())[s] }

// change replaces the current tenures by what f makes of them.
func (ts *tenures) change(f func(map[shard]*tenure)) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	next := maps.Clone(*ts.current.Load())
	f(next)
	ts.current.Store(&next)
}

// open begins the tenure. Its shard must not have another.
func (ts *tenures) open(t *tenure) {
	ts.change(func(current map[shard]*tenure) { current[t.shard] = t })
	// Only now, so that a key that is parked meanwhile is either seen by the flush or not parked at all.
	for _, q := range ts.all() {
		q.flush(t)
	}
}

// close ends the tenure with this cause. The channel it returns is closed when nothing that began in the tenure runs
// any more.
func (ts *tenures) close(t *tenure, cause error) <-chan struct{} {
	t.seal(cause)
	ts.change(func(current map[shard]*tenure) {
		if current[t.shard] == t {
			delete(current, t.shard)
		}
	})
	t.flushing.Wait()
	return t.idle
}

// covers reports whether this replica may work on the shard's keys now.
func (ts *tenures) covers(s shard) bool {
	t := ts.of(s)
	return t != nil && !t.over()
}

// begin counts a request into the shard's tenure. It returns nil if there is none.
func (ts *tenures) begin(s shard) *tenure {
	if t := ts.of(s); t != nil && t.begin() {
		return t
	}
	return nil
}

// running describes what began in the tenure and has not ended, one string for each controller.
func (ts *tenures) running(t *tenure) []string {
	var all []string
	for _, q := range ts.all() {
		if s := q.running(t); s != "" {
			all = append(all, s)
		}
	}
	return all
}
