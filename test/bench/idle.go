// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kube-elector/elector/test/harness"
)

// crew is what candidates a process has, and nothing else.
type crew struct {
	suffix, what   string
	shared, leader bool
}

var crews = []crew{
	{"-own", "per standby, %d in a process, each with its own clientset", false, false},
	{"-shared", "per standby, %d in a process, on one clientset", true, false},
	{"-leading", "per leader, %d in a process, each with its own clientset", false, true},
}

// measureIdle runs processes that have only standbys, one for each subject, all at once on the same Leases, whose
// leaders renew. Then it runs processes that have only leaders, whose work does nothing. It subtracts what the first
// candidate costs.
func measureIdle(ctx context.Context, b *bench) (_ []result, err error) {
	var leaders []*contest
	defer func() {
		for _, c := range leaders {
			err = errors.Join(err, c.close())
		}
	}()
	var leases []string
	for range b.idle {
		c := b.newContest(peers[0])
		leaders, leases = append(leaders, c), append(leases, c.lease)
		if _, err := c.elect(ctx); err != nil {
			return nil, err
		}
	}
	var results []result
	for _, crew := range crews {
		var rounds []map[string]footprint
		for range b.idleRounds {
			round, err := b.idleRound(ctx, leases, crew)
			if err != nil {
				return results, err
			}
			rounds = append(rounds, round)
		}
		results = append(results, b.idleResults(crew, rounds)...)
	}
	return results, nil
}

func (b *bench) idleResults(crew crew, rounds []map[string]footprint) []result {
	how := fmt.Sprintf(crew.what, b.idle)
	var results []result
	for _, q := range []struct {
		name, what string
		unit       unit
		of         func(footprint) float64
	}{
		{"heap", "live heap", bytesEach, func(f footprint) float64 { return f.Heap }},
		{"stacks", "stacks", bytesEach, func(f footprint) float64 { return f.Stacks }},
		{"resident", "resident memory", bytesEach, func(f footprint) float64 { return f.Resident }},
		{"goroutines", "goroutines", number, func(f footprint) float64 { return f.Goroutines }},
		{"cpu", "CPU seconds a minute", seconds, func(f footprint) float64 { return f.CPU }},
		{"allocations", "heap allocations", perMinute, func(f footprint) float64 { return f.Allocations }},
	} {
		r := result{Name: q.name + crew.suffix, What: q.what + " " + how, Unit: q.unit}
		r.Series = seriesOf(subjects, rounds, func(f footprint) sample { return sample(q.of(f) / float64(b.idle)) })
		if !crew.leader && (q.name == "heap" || q.name == "goroutines" || q.name == "cpu") {
			r.Goals = []goal{{Stat: "p50", Versus: clientGoWatch, Value: 1}}
		}
		results = append(results, r)
	}
	return results
}

// footprint is what all candidates of one process take. CPU is in seconds per minute, Allocations are per minute too.
type footprint struct{ Heap, Stacks, Resident, Goroutines, CPU, Allocations float64 }

// idleRound runs one process for each subject.
func (b *bench) idleRound(ctx context.Context, leases []string, crew crew) (map[string]footprint, error) {
	group, ctx := errgroup.WithContext(ctx)
	found := make([]footprint, len(subjects))
	for i, s := range subjects {
		contended := leases
		if crew.leader {
			contended = make([]string, b.idle)
			for i := range contended {
				contended[i] = b.name("lease")
			}
		}
		group.Go(func() (err error) {
			p, err := startChild(ctx, task{
				Role: "idle", Subject: s.name, server: b.server(), Namespace: b.namespace,
				Leases: contended, Identity: b.name("idle"), Timing: b.timing, Window: duration(b.idleWindow),
				Shared: crew.shared, Lead: crew.leader,
			})
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, p.Stop()) }()
			return p.Values.Decode(&found[i])
		})
	}
	err := group.Wait()
	round := map[string]footprint{}
	for i, s := range subjects {
		round[s.name] = found[i]
	}
	return round, err
}

// runIdle runs in the child process.
func runIdle(ctx context.Context, cfg *rest.Config, s subject, t task, out *json.Encoder) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	w, err := s.way(newLink().config(cfg), t.Timing)
	if err != nil {
		return err
	}
	// Whatever the first request brings into a process is there before the baseline is taken.
	if _, err := w.client.CoordinationV1().Leases(t.Namespace).Get(ctx, t.Leases[0], metav1.GetOptions{}); client.IgnoreNotFound(err) != nil {
		return err
	}
	before := footprintNow()
	var group sync.WaitGroup
	defer group.Wait()
	defer cancel(nil)
	candidates, err := t.crew(cfg, w, s, func(term context.Context) {
		if !t.Lead {
			cancel(errors.New("a standby led: this machine is too busy to measure anything"))
		}
		<-term.Done()
		if t.Lead && ctx.Err() == nil {
			cancel(errors.New("a Lease was lost: this machine is too busy to measure anything"))
		}
	})
	if err != nil {
		return err
	}
	for _, c := range candidates {
		group.Go(func() {
			if err := c.Start(ctx); err != nil {
				cancel(err)
			}
		})
	}
	found, err := t.watchIdle(ctx, candidates, before)
	if err != nil {
		return err
	}
	return out.Encode(found)
}

func (t task) crew(cfg *rest.Config, w way, s subject, lead func(context.Context)) ([]candidate, error) {
	candidates := make([]candidate, len(t.Leases))
	for i := range candidates {
		var err error
		if t.Shared {
			candidates[i], err = s.candidate(w, t.seat(i, lead), t.Timing)
		} else {
			candidates[i], err = t.candidate(cfg, s, t.seat(i, lead))
		}
		if err != nil {
			return nil, err
		}
	}
	return candidates, nil
}

// watchIdle waits until all lead or stand by, and then for the window.
func (t task) watchIdle(ctx context.Context, candidates []candidate, before footprint) (footprint, error) {
	patient, cancel := t.Timing.patience(ctx)
	defer cancel()
	astray := func(c candidate) bool { return c.GetLeader() == "" || t.Lead && !c.IsLeader() }
	if err := eventually(patient, func() bool { return !slices.ContainsFunc(candidates, astray) }); err != nil {
		return footprint{}, err
	}
	if err := t.Timing.settle(ctx); err != nil {
		return footprint{}, err
	}
	began, spent, made := time.Now(), processorTime(), allocations()
	if err := harness.Pause(ctx, time.Duration(t.Window)); err != nil {
		return footprint{}, err
	}
	spent, made = processorTime()-spent, allocations()-made
	minutes := time.Since(began).Minutes()
	after := footprintNow()
	return footprint{
		after.Heap - before.Heap, after.Stacks - before.Stacks, after.Resident - before.Resident,
		after.Goroutines - before.Goroutines, spent.Seconds() / minutes, float64(made) / minutes,
	}, nil
}

// allocations returns how many objects this process has ever allocated on the heap.
func allocations() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.Mallocs
}

// footprintNow returns the state of this process without its garbage.
func footprintNow() footprint {
	runtime.GC() // The first one runs cleanups, which make more garbage.
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return footprint{
		Heap: float64(m.HeapAlloc), Stacks: float64(m.StackInuse),
		Resident: residentMemory(), Goroutines: float64(runtime.NumGoroutine()),
	}
}
