// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sync/errgroup"

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
			p, err := harness.StartProcess(ctx, "bench", task{
				Subject: s.name, server: server{b.plane.Config.Host, b.plane.Config.BearerToken, b.plane.Config.CAFile}, Namespace: b.namespace,
				Leases: contended, Identity: b.name("idle"), Timing: b.timing, Window: duration(b.idleWindow),
				Shared: crew.shared, Lead: crew.leader,
			}, os.Stderr)
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
