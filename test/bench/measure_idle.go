// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/kube-elector/elector/test/harness"
)

// A crew is standbys that make up a process, and nothing else.
type crew struct {
	suffix, what string
	shared       bool // one clientset is for all
}

var crews = []crew{
	{"-own", "per standby, %d in a process, each with its own clientset", false},
	{"-shared", "per standby, %d in a process, on one clientset", true},
}

// measureIdle runs processes that have only standbys, one for each subject, all at once on the same Leases, whose
// leaders renew. It subtracts what the first candidate costs.
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
		{"goroutines", "goroutines", number, func(f footprint) float64 { return f.Goroutines }},
		{"cpu", "CPU seconds a minute", seconds, func(f footprint) float64 { return f.CPU }},
	} {
		r := result{
			Name: q.name + crew.suffix, What: q.what + " " + how, Unit: q.unit,
			Goals: []goal{{Stat: "p50", Versus: clientGoWatch, Value: 1}},
		}
		r.Series = seriesOf(subjects, rounds, func(f footprint) sample { return sample(q.of(f) / float64(b.idle)) })
		results = append(results, r)
	}
	return results
}

// footprint is what all candidates of one process take. CPU is in seconds per minute.
type footprint struct{ Heap, Goroutines, CPU float64 }

// idleRound runs one process for each subject.
func (b *bench) idleRound(ctx context.Context, leases []string, crew crew) (map[string]footprint, error) {
	rows, err := sideBySide(ctx, subjects, func(ctx context.Context, s subject) (found footprint, err error) {
		p, err := harness.StartProcess(ctx, "bench", task{
			Subject: s.name, server: server{b.plane.Config.Host, b.plane.Config.BearerToken, b.plane.Config.CAFile}, Namespace: b.namespace,
			Leases: leases, Identity: b.name("idle"), Timing: b.timing, Window: duration(b.idleWindow), Shared: crew.shared,
		}, os.Stderr)
		if err != nil {
			return found, err
		}
		defer func() { err = errors.Join(err, p.Stop()) }()
		return found, p.Values.Decode(&found)
	})
	return rows[0], err
}
