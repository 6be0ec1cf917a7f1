// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/kube-elector/elector/test/harness"
)

// measureGrowth makes one process contend for more and more Leases, with all leaders on one clientset and all standbys
// on another. Once a subject fails at a size, larger ones are reported as never. What two cores can do depends more on
// the renewals a second than on the number of Leases, so there is a second round with slower renewals.
func measureGrowth(ctx context.Context, b *bench) ([]result, error) {
	usual, err := b.growUp(ctx, "growth", b.timing, b.growth)
	if err != nil {
		return usual, err
	}
	slow, err := b.growUp(ctx, "growth-slow", b.slowTiming, b.slowGrowth)
	return append(usual, slow...), err
}

func (b *bench) growUp(ctx context.Context, family string, t timing, sizes []int) (results []result, err error) {
	broken := map[string]bool{}
	for _, n := range sizes {
		found := map[string]*grown{}
		for _, i := range rand.Perm(len(peers)) {
			s := peers[i]
			g := &grown{}
			if !broken[s.name] {
				if g, err = b.grow(ctx, s, t, n); ctx.Err() != nil {
					return results, context.Cause(ctx)
				} else if err != nil {
					b.say("%s: %d Leases are too many for %s: %v", family, n, s.name, err)
					g, broken[s.name] = &grown{}, true
				}
			}
			found[s.name] = g
		}
		results = append(results, growthResults(family, t, n, found)...)
	}
	return results, nil
}

// grown is what n leaders and n standbys in one process take, each of them, and how fast some hand over.
type grown struct {
	Requests, Heap, Goroutines, CPU float64
	HandOvers                       []sample
}

// handOverFamily ends the names of the families of hand-overs.
const handOverFamily = "-handover"

func growthResults(family string, t timing, n int, found map[string]*grown) []result {
	var results []result
	for _, q := range []struct {
		name, what string
		unit       unit
		of         func(*grown) []sample
	}{
		{handOverFamily, "from the return of a leader's work to the next OnStartedLeading", seconds, func(g *grown) []sample { return g.HandOvers }},
		{"-requests", "requests of a candidate", perMinute, func(g *grown) []sample { return []sample{sample(g.Requests)} }},
		{"-heap", "live heap of a candidate", bytesEach, func(g *grown) []sample { return []sample{sample(g.Heap)} }},
		{"-goroutines", "goroutines of a candidate", number, func(g *grown) []sample { return []sample{sample(g.Goroutines)} }},
		{"-cpu", "CPU seconds a minute of a candidate", seconds, func(g *grown) []sample { return []sample{sample(g.CPU)} }},
	} {
		r := result{
			Name: fmt.Sprintf("%s%s-%d", family, q.name, n), Family: family + q.name, X: float64(n), Unit: q.unit, Waited: t.LeaseDuration,
			What: fmt.Sprintf("%s, with %d Leases, their leaders and their standbys in one process; RetryPeriod %v",
				q.what, n, time.Duration(t.RetryPeriod)),
		}
		for _, s := range peers {
			samples := q.of(found[s.name])
			if found[s.name].HandOvers == nil {
				samples = make([]sample, len(q.of(found[ours])))
				for i := range samples {
					samples[i] = never
				}
			}
			r.Series = append(r.Series, series{s.name, samples})
		}
		results = append(results, r)
	}
	return results
}

func (b *bench) grow(ctx context.Context, s subject, pace timing, n int) (*grown, error) {
	t := task{
		Role: "growth", Subject: s.name, server: b.server(), Namespace: b.namespace,
		Identity: b.name("growth"), Timing: pace, Window: duration(b.growthWindow), Moves: min(b.growthMoves, n),
	}
	for i := range n {
		t.Leases = append(t.Leases, b.name("lease-"+strconv.Itoa(i)))
	}
	p, err := startChild(ctx, t)
	if err != nil {
		return nil, err
	}
	var g grown
	err = p.Values.Decode(&g)
	return &g, errors.Join(err, p.Stop())
}

// pair is the two candidates for one Lease.
type pair struct {
	cancel   context.CancelFunc
	standby  candidate
	over     chan time.Time // when the leader's work returned
	overtook chan time.Time // when the standby's began
}

// runGrowth runs in the child process.
func runGrowth(ctx context.Context, cfg *rest.Config, s subject, t task, out *json.Encoder) error {
	ctx, cancel := context.WithCancelCause(ctx)
	group, ctx := errgroup.WithContext(ctx)
	found, err := t.grow(ctx, cfg, s, group)
	if err == nil {
		err = out.Encode(found)
	}
	cancel(nil)
	return errors.Join(err, group.Wait())
}

func (t task) grow(ctx context.Context, cfg *rest.Config, s subject, group *errgroup.Group) (*grown, error) {
	links := [2]*link{newLink(), newLink()}
	var ways [2]way
	for i, l := range links {
		var err error
		if ways[i], err = s.way(l.config(cfg), t.Timing); err != nil {
			return nil, err
		}
		// Whatever the first request brings into a process is there before the baseline is taken.
		_, _ = ways[i].client.CoordinationV1().Leases(t.Namespace).Get(ctx, "none", metav1.GetOptions{})
	}
	before := footprintNow()
	pairs, err := t.pairs(ctx, s, ways, group)
	if err != nil {
		return nil, err
	}
	candidates := 2 * float64(len(pairs))
	if err := t.calm(ctx, links); err != nil {
		return nil, err
	}
	sent, spent, began := requestsOf(links), processorTime(), time.Now()
	if err := harness.Pause(ctx, time.Duration(t.Window)); err != nil {
		return nil, err
	}
	minutes := time.Since(began).Minutes()
	sent, spent = requestsOf(links)-sent, processorTime()-spent
	after := footprintNow()
	for _, p := range pairs {
		if len(p.over)+len(p.overtook) > 0 {
			return nil, errors.New("a Lease was lost")
		}
	}
	g := &grown{
		Requests: float64(sent) / candidates / minutes, CPU: spent.Seconds() / candidates / minutes,
		Heap: (after.Heap - before.Heap) / candidates, Goroutines: (after.Goroutines - before.Goroutines) / candidates,
	}
	for _, i := range rand.Perm(len(pairs))[:t.Moves] {
		p := pairs[i]
		p.cancel()
		over, err := receive(ctx, t.Timing, p.over)
		if err != nil {
			return nil, err
		}
		next, err := receive(ctx, t.Timing, p.overtook)
		if err != nil {
			return nil, err
		}
		g.HandOvers = append(g.HandOvers, took(over, next))
	}
	return g, nil
}

// pairs starts all leaders, then all standbys. It returns when these know the former.
func (t task) pairs(ctx context.Context, s subject, ways [2]way, group *errgroup.Group) ([]*pair, error) {
	leads := make(chan struct{}, len(t.Leases))
	pairs := make([]*pair, len(t.Leases))
	start := func(ctx context.Context, c candidate) {
		group.Go(func() error { return c.Start(ctx) })
	}
	for i := range pairs {
		p := &pair{over: make(chan time.Time, 1), overtook: make(chan time.Time, 1)}
		c, err := s.candidate(ways[0], t.seat(i, func(term context.Context) {
			leads <- struct{}{}
			<-term.Done()
			note(p.over)
		}), t.Timing)
		if err != nil {
			return nil, err
		}
		p.standby, err = s.candidate(ways[1], seat{t.Namespace, t.Leases[i], fmt.Sprintf("%s-standby-%d", t.Identity, i), func(term context.Context) {
			note(p.overtook)
			<-term.Done()
		}}, t.Timing)
		if err != nil {
			return nil, err
		}
		var own context.Context
		own, p.cancel = context.WithCancel(ctx)
		start(own, c)
		pairs[i] = p
	}
	for range pairs {
		if _, err := receive(ctx, t.Timing, leads); err != nil {
			return nil, err
		}
	}
	for _, p := range pairs {
		start(ctx, p.standby)
	}
	for _, p := range pairs {
		patient, cancel := t.Timing.patience(ctx)
		err := eventually(patient, func() bool { return p.standby.GetLeader() != "" })
		cancel()
		if err != nil {
			return nil, err
		}
	}
	return pairs, nil
}

// note sends the time, unless one was sent before. A Lease may be lost more than once.
func note(moment chan<- time.Time) {
	select {
	case moment <- time.Now():
	default:
	}
}

// calm waits until hardly a connection is opened any more.
func (t task) calm(ctx context.Context, links [2]*link) error {
	ctx, cancel := t.Timing.patience(ctx)
	defer cancel()
	opened := func() int64 { return links[0].opened.Load() + links[1].opened.Load() }
	for {
		before := opened()
		if err := t.Timing.settle(ctx); err != nil {
			return fmt.Errorf("%d connections, and more: %w", opened(), err)
		}
		if opened()-before <= int64(len(t.Leases)/100) {
			return nil
		}
	}
}

func requestsOf(links [2]*link) (n int) {
	for _, l := range links {
		for _, of := range l.traffic().requests {
			n += of
		}
	}
	return n
}

// receive waits for a value no longer than for anything.
func receive[T any](ctx context.Context, t timing, from <-chan T) (value T, err error) {
	ctx, cancel := t.patience(ctx)
	defer cancel()
	select {
	case value = <-from:
		return value, nil
	case <-ctx.Done():
		return value, context.Cause(ctx)
	}
}
