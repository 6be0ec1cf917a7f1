// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package shards

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"

	"github.com/kube-elector/elector/elector"
	"github.com/kube-elector/elector/elector/leasetest"
)

const (
	testNamespace = "ns"
	testSet       = "set"
)

// world is one API server and its replicas, in a bubble of virtual time. It records who serves which shard, and fails
// the test when two serve one.
type world struct {
	t      *testing.T
	server *leasetest.Server
	n      int
	drain  time.Duration // how long work takes to end
	lines  *lineCounter  // gets the log, if set

	mu     sync.Mutex // guards all below
	began  time.Time
	owner  map[int]*member
	since  map[int]time.Time // when the shard was last served, or began to be drained
	gaps   []gap
	tokens map[int]elector.Token
	log    []string
	moves  int
}

// gap is a time in which nobody has served a shard, but for its drain.
type gap struct {
	shard int
	at    time.Duration
	took  time.Duration
}

func inWorld(t *testing.T, n int, test func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		test(&world{
			t: t, server: leasetest.NewServer(), n: n, began: time.Now(),
			owner: map[int]*member{}, since: map[int]time.Time{}, tokens: map[int]elector.Token{},
		})
	})
}

// member is a replica that runs.
type member struct {
	*Shards
	w      *world
	id     string
	client *leasetest.Client
	stop   context.CancelFunc
	done   chan struct{} // closed when Start has returned
	err    error         // Start's result
	work   func(ctx context.Context, shard int)
	dead   bool // killed; guarded by w.mu
}

func testConfig(id string) elector.Config {
	return elector.Config{Enabled: true, Identity: id, LeaseName: testSet, LeaseNamespace: testNamespace, ReleaseOnCancel: true}
}

// member returns a new replica. Change its fields before start.
func (w *world) member(id string, change ...func(*elector.Config)) *member {
	w.t.Helper()
	return w.memberOf(w.n, id, change...)
}

func (w *world) memberOf(n int, id string, change ...func(*elector.Config)) *member {
	w.t.Helper()
	return w.memberBy(w.server.Client(id), n, id, change...)
}

// twin returns another process with the replica's Identity, and a network of its own.
func (w *world) twin(id string) *member {
	w.t.Helper()
	return w.memberBy(w.server.Client(id+"'s twin"), w.n, id)
}

func (w *world) memberBy(client *leasetest.Client, n int, id string, change ...func(*elector.Config)) *member {
	w.t.Helper()
	config := testConfig(id)
	for _, c := range change {
		c(&config)
	}
	m := &member{w: w, id: id, client: client, done: make(chan struct{})}
	var err error
	m.Shards, err = New(&config, n, m.client, Callbacks{
		OnStarted: func(ctx context.Context, shard int) { w.serve(ctx, m, shard) },
		OnStopped: func(shard int) { w.note("%s stopped %d", m.id, shard) },
	}, w.logger(id))
	if err != nil {
		w.t.Fatal(err)
	}
	return m
}

// start runs the replica until stop, or the test's end.
func (m *member) start() *member {
	ctx, cancel := context.WithCancel(m.w.t.Context())
	m.stop = cancel
	go func() {
		defer close(m.done)
		m.err = m.Start(ctx)
	}()
	m.w.t.Cleanup(func() {
		m.client.Heal()
		cancel()
		<-m.done
	})
	return m
}

// crash ends the replica as a lost network does: nothing arrives any more.
func (m *member) crash() { m.client.Partition() }

// serve does the work of a shard.
func (w *world) serve(ctx context.Context, m *member, shard int) {
	w.begin(ctx, m, shard)
	if m.work != nil {
		m.work(ctx, shard)
	}
	<-ctx.Done()
	w.note("%s cancelled %d: %v", m.id, shard, context.Cause(ctx))
	drain(w.drain)
	w.end(m, shard)
}

func drain(d time.Duration) {
	if d > 0 {
		<-time.After(d)
	}
}

func (w *world) begin(ctx context.Context, m *member, shard int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if m.dead {
		return
	}
	now := time.Now()
	if other := w.owner[shard]; other != nil {
		w.t.Errorf("%v: shard %d is served by %s and %s\n%s", now.Sub(w.began), shard, other.id, m.id, w.historyLocked())
	}
	w.owner[shard] = m
	w.moves++
	if since, ok := w.since[shard]; ok {
		w.gaps = append(w.gaps, gap{shard, now.Sub(w.began), now.Sub(since)})
	}
	term, ok := elector.TermFromContext(ctx)
	if !ok {
		w.t.Errorf("shard %d: no term in the context", shard)
	}
	if before, ok := w.tokens[shard]; ok {
		if order, err := term.Token.Compare(before); err != nil || order <= 0 {
			w.t.Errorf("shard %d: token %q after %q", shard, term.Token, before)
		}
	}
	w.tokens[shard] = term.Token
	w.log = append(w.log, fmt.Sprintf("%12v  %s started %d, token %s", now.Sub(w.began), m.id, shard, term.Token))
}

func (w *world) end(m *member, shard int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if m.dead {
		return
	}
	if w.owner[shard] == m {
		delete(w.owner, shard)
	}
	w.since[shard] = time.Now()
}

func (w *world) note(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.log = append(w.log, fmt.Sprintf("%12v  ", time.Since(w.began))+fmt.Sprintf(format, args...))
}

func (w *world) historyLocked() string {
	text := ""
	for _, line := range w.log[max(0, len(w.log)-140):] {
		text += line + "\n"
	}
	return text
}

func (w *world) history() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.historyLocked()
}

// until advances time by milliseconds until the condition holds, and returns how long that took.
func (w *world) until(limit time.Duration, what string, condition func() bool) time.Duration {
	w.t.Helper()
	for start := time.Now(); ; <-time.After(time.Millisecond) {
		synctest.Wait()
		if condition() {
			return time.Since(start)
		}
		if time.Since(start) > limit {
			w.t.Fatalf("not within %v: %s\n%s", limit, what, w.history())
		}
	}
}

// pass lets time pass.
func (w *world) pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// balanced reports whether the members serve all shards, their numbers differing by one at most.
func (w *world) balanced(members ...*member) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	count := map[*member]int{}
	for _, m := range w.owner {
		count[m]++
	}
	total := 0
	for _, m := range members {
		if c := count[m]; c < w.n/len(members) || c > (w.n+len(members)-1)/len(members) {
			return false
		}
		total += count[m]
	}
	return total == w.n
}

// settled waits until the members share the shards.
func (w *world) settled(limit time.Duration, members ...*member) time.Duration {
	w.t.Helper()
	return w.until(limit, fmt.Sprintf("%d members share the shards", len(members)), func() bool { return w.balanced(members...) })
}

// movesIn returns how many shards begin to be served while f runs.
func (w *world) movesIn(f func()) int {
	w.mu.Lock()
	before := w.moves
	w.mu.Unlock()
	f()
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.moves - before
}

func (w *world) shardLease(i int) *coordinationv1.Lease {
	return w.server.Get(testNamespace, names{testSet}.shard(i))
}

func (w *world) sessionLease(id string) *coordinationv1.Lease {
	return w.server.Get(testNamespace, names{testSet}.session(id))
}

// result waits for Start to return.
func (m *member) result(limit time.Duration) error {
	m.w.t.Helper()
	select {
	case <-m.done:
		return m.err
	case <-time.After(limit):
		m.w.t.Fatalf("%s: Start did not return within %v\n%s", m.id, limit, m.w.history())
		return errors.New("unreachable")
	}
}
