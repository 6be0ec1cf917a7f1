// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package shards

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/utils/ptr"

	"github.com/kube-elector/elector/elector"
	"github.com/kube-elector/elector/elector/leasetest"
)

var (
	simFirst = flag.Uint64("shards.first", 1, "the first seed")
	simSeeds = flag.Uint64("shards.seeds", 10, "how many seeds")
)

// TestShardsInTheFaultsOfClusters simulates sets of two to seven replicas for some
// minutes. Faults come as a seed decides. No shard may be served by two replicas, its
// tokens must rise, and all shards must be served and balanced when the faults are
// over.
func TestShardsInTheFaultsOfClusters(t *testing.T) {
	for seed := *simFirst; seed < *simFirst+*simSeeds; seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { simulate(t, seed) })
	}
}

// sim is one run.
type sim struct {
	*world
	random  *rand.Rand
	members []*member
	counter int
}

func simulate(t *testing.T, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 7))
	inWorld(t, 1+random.IntN(64), func(w *world) {
		w.server.OnWrite(func(write leasetest.Write) {
			if write.New != nil && (write.Old == nil || holder(write.Old) != holder(write.New)) {
				w.note("%s writes %s: %s, version %s", write.Client, write.New.Name, holder(write.New), write.ResourceVersion)
			}
		})
		s := &sim{world: w, random: random}
		for range 2 + random.IntN(6) {
			s.join("")
		}
		for range 30 {
			s.pass(s.upTo(30 * time.Second))
			s.event()
		}
		for _, m := range s.members {
			m.client.Heal()
		}
		s.server.Compact()
		s.note("healed")
		s.pass(60 * time.Second)
		s.settled(10*time.Second, s.members...)
		s.lastSteps()
	})
}

// join starts a replica, under the name of a former one if it is given.
func (s *sim) join(id string) {
	s.counter++
	name := fmt.Sprintf("r%d", s.counter)
	if id == "" {
		id = name
	}
	config := testConfig(id)
	m := &member{w: s.world, id: name, client: s.server.Client(name), done: make(chan struct{})}
	var err error
	m.Shards, err = New(&config, s.n, m.client, Callbacks{
		OnStarted: func(ctx context.Context, shard int) { s.work(ctx, m, shard) },
		OnStopped: func(shard int) { s.note("%s stopped %d", m.id, shard) },
	}, s.logger(name))
	if err != nil {
		s.t.Fatal(err)
	}
	m.start()
	s.members = append(s.members, m)
	s.note("%s joins as %s", name, id)
}

// work does the work of a shard. It ends in time, however it ends.
func (s *sim) work(ctx context.Context, m *member, shard int) {
	s.begin(ctx, m, shard)
	<-ctx.Done()
	cause := context.Cause(ctx)
	s.note("%s cancelled %d: %v", m.id, shard, cause)
	limit := 4900 * time.Millisecond // LeaseDuration - RenewDeadline, less what clocks cost
	if errors.Is(cause, ErrGivenBack) || errors.Is(cause, elector.ErrStopped) {
		limit = 3 * time.Second
	}
	drain(s.upTo(limit))
	s.end(m, shard)
}

// pick returns a number less than n. Work asks for some, too, in any order: a seed
// repeats the faults only.
func (s *sim) pick(n int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.random.IntN(n)
}

func (s *sim) upTo(d time.Duration) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Duration(s.random.Int64N(int64(d)))
}

func (s *sim) any() *member { return s.members[s.pick(len(s.members))] }

func (s *sim) remove(m *member) {
	for i := range s.members {
		if s.members[i] == m {
			s.members = append(s.members[:i:i], s.members[i+1:]...)
			return
		}
	}
}

// event plays one fault, or the end of one.
func (s *sim) event() {
	kind, m := s.pick(16), s.any()
	network := func(name string, fault func()) {
		s.note("%s: %s", m.id, name)
		fault()
	}
	switch {
	case kind == 0 && len(s.members) < 7:
		s.join("")
	case kind == 1 && len(s.members) > 2:
		s.note("%s leaves", m.id)
		s.remove(m)
		m.stop()
	case kind == 2 && len(s.members) > 2: // its process has ended, nothing of it is left
		s.note("%s is killed", m.id)
		s.remove(m)
		s.kill(m)
		if s.pick(2) == 0 {
			s.join(m.config.Identity)
		}
	case kind == 3:
		network("partition", m.client.Partition)
	case kind == 4:
		network("requests lost", m.client.DropRequests)
	case kind == 5:
		network("replies lost", m.client.DropReplies)
	case kind == 6:
		network("watches stall", func() { m.client.StallWatches() })
	case kind == 7:
		network("watches are cut", func() { m.client.CutWatches() })
	case kind == 8:
		network("watches expire", func() { s.server.Compact(); m.client.ExpireWatches() })
	case kind == 9:
		d := s.upTo(4 * time.Second)
		network("latency "+d.String(), func() { m.client.Latency(d/2, d/2) })
	case kind == 10:
		d := s.upTo(20 * time.Second)
		network("watches late by "+d.String(), func() { m.client.DelayWatches(d) })
	case kind == 11:
		network("errors", func() { m.client.Fail(apierrors.NewServiceUnavailable("down"), 1+s.pick(40)) })
	case kind == 12:
		network("an administrator deletes one of its shards", func() { s.hand(m, nil) })
	case kind == 13:
		network("an administrator blanks one of its shards", func() {
			s.hand(m, func(l *coordinationv1.Lease) { l.Spec.HolderIdentity = ptr.To("") })
		})
	default:
		network("healed", m.client.Heal)
	}
}

// hand edits or deletes the Lease of one of the member's shards.
func (s *sim) hand(m *member, edit func(*coordinationv1.Lease)) {
	held := m.Held()
	if len(held) == 0 {
		return
	}
	if i := held[s.pick(len(held))]; edit == nil {
		s.server.Delete(testNamespace, names{testSet}.shard(i))
	} else {
		s.editShard(i, edit)
	}
}

// kill ends a process from one moment to the next, as far as others can see.
func (s *sim) kill(m *member) {
	m.client.Partition()
	m.client.StallWatches()
	s.mu.Lock()
	for shard, owner := range s.owner {
		if owner == m {
			delete(s.owner, shard)
			s.since[shard] = time.Now()
		}
	}
	s.mu.Unlock()
	m.stop()
}

// lastSteps lets a replica join, another leave and a third crash, and checks the number
// of moves and how long they take.
func (s *sim) lastSteps() {
	s.lastStep("joined", s.n/(len(s.members)+1), 4*time.Second, func() { s.join("") })
	first := s.members[0]
	s.lastStep("left", s.count(first), 4*time.Second, func() {
		s.remove(first)
		first.stop()
	})
	last := s.members[0]
	s.lastStep("was killed", s.count(last), 15600*time.Millisecond, func() {
		s.remove(last)
		s.kill(last)
	})
	if s.t.Failed() {
		s.t.Log(s.history())
	}
}

func (s *sim) lastStep(what string, want int, limit time.Duration, change func()) {
	moves := s.movesIn(func() {
		change()
		s.settled(limit, s.members...)
	})
	if moves != want {
		s.t.Errorf("%d of %d shards moved when a replica %s, want %d", moves, s.n, what, want)
	}
	s.pass(30 * time.Second)
}
