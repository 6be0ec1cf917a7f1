// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/kube-elector/elector/elector"
	"github.com/kube-elector/elector/elector/shards"
)

// sharers are replicas of one set on the real API server. They record who serves what.
type sharers struct {
	t         *testing.T
	config    *rest.Config
	namespace string
	n         int

	mu     sync.Mutex // guards all below
	owner  map[int]string
	ended  map[int]time.Time
	gaps   []time.Duration
	served int // terms begun
}

// join starts a replica, and returns what stops it.
func (s *sharers) join(id string) (stop func()) {
	s.t.Helper()
	config := elector.Config{Enabled: true, Identity: id, LeaseName: "set", LeaseNamespace: s.namespace, ReleaseOnCancel: true}
	clientset, err := elector.NewClientset(s.config, config)
	if err != nil {
		s.t.Fatal(err)
	}
	replica, err := shards.New(&config, s.n, clientset, shards.Callbacks{
		OnStarted: func(ctx context.Context, shard int) {
			s.began(id, shard)
			<-ctx.Done()
			s.stopped(shard)
		},
	}, slog.New(slog.NewTextHandler(s.t.Output(), nil)))
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(s.t.Context())
	done := make(chan error, 1)
	go func() { done <- replica.Start(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			s.t.Errorf("%s: %v", id, err)
		}
	})
	s.t.Cleanup(stop)
	return stop
}

func (s *sharers) began(id string, shard int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if other := s.owner[shard]; other != "" {
		s.t.Errorf("shard %d is served by %s and %s", shard, other, id)
	}
	s.owner[shard] = id
	s.served++
	if at, ok := s.ended[shard]; ok {
		s.gaps = append(s.gaps, time.Since(at))
	}
}

func (s *sharers) stopped(shard int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.owner, shard)
	s.ended[shard] = time.Now()
}

// balanced waits until r replicas share the shards.
func (s *sharers) balanced(r int) {
	s.t.Helper()
	began := time.Now()
	even := func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		count := map[string]int{}
		for _, id := range s.owner {
			count[id]++
		}
		for _, c := range count {
			if c < s.n/r || c > (s.n+r-1)/r {
				return false
			}
		}
		return len(s.owner) == s.n && len(count) == r
	}
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !even() {
		if time.Since(began) > patience {
			s.t.Fatalf("%d replicas don't share the shards", r)
		}
		<-tick.C
	}
}

// step makes a change and checks that no more shards move than must.
func (s *sharers) step(what string, r, moves int, change func()) {
	s.t.Helper()
	s.mu.Lock()
	s.gaps, s.served = nil, 0
	s.mu.Unlock()
	began := time.Now()
	change()
	s.balanced(r)
	took := time.Since(began)
	s.mu.Lock()
	defer s.mu.Unlock()
	slices.Sort(s.gaps)
	if len(s.gaps) > 0 {
		s.t.Logf("N=%d, %s: balanced after %v, %d moved, unserved for %v p50, %v p99, %v at most", s.n, what, took.Round(time.Millisecond), s.served,
			s.gaps[len(s.gaps)/2], s.gaps[(len(s.gaps)*99+99)/100-1], s.gaps[len(s.gaps)-1])
	}
	if s.served != moves {
		s.t.Errorf("N=%d, %s: %d shards moved, want %d", s.n, what, s.served, moves)
	}
}

func TestShardsAreSharedOnARealAPIServer(t *testing.T) {
	for _, n := range []int{16, 64, 256} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			s := &sharers{t: t, config: restConfig, namespace: namespace(t), n: n, owner: map[int]string{}, ended: map[int]time.Time{}}
			s.join("a")
			s.balanced(1)
			var leave func()
			s.step("second joins", 2, n/2, func() { s.join("b") })
			s.step("third joins", 3, n/3, func() { s.join("c") })
			s.step("fourth joins", 4, n/4, func() { leave = s.join("d") })
			s.step("one leaves", 3, n/4, leave)
		})
	}
}
