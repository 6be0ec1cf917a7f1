// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/kube-elector/elector/test/harness"
)

// measureRequests counts what one leader and one standby send while nothing happens, on many Leases.
func measureRequests(ctx context.Context, b *bench) ([]result, error) {
	rows, err := inLanes(ctx, b.requestLanes, func(ctx context.Context) ([]map[string]pairTraffic, error) {
		return sideBySide(ctx, peers, b.steadyState)
	})
	if err != nil {
		return nil, err
	}
	var results []result
	for i, role := range roles {
		add := func(name, what string, goals []goal, of func(traffic) float64) {
			results = append(results, result{
				Name: role.name + "-" + name, What: role.name + ": " + what, Unit: perMinute, Goals: goals,
				Series: seriesOf(peers, rows, func(p pairTraffic) sample { return sample(of(p[i]) / b.requestWindow.Minutes()) }),
			})
		}
		add("requests", "requests", role.goals, func(t traffic) float64 {
			n := 0
			for _, of := range t {
				n += of
			}
			return float64(n)
		})
		for _, verb := range verbsOf(rows, i) {
			add(verb, verb+" requests", role.verbGoals[verb], func(t traffic) float64 { return float64(t[verb]) })
		}
	}
	return results, nil
}

// verbsOf returns those that a role has used, and GET, which it should not use.
func verbsOf(rows []map[string]pairTraffic, role int) []string {
	used := map[string]bool{http.MethodGet: true}
	for _, row := range rows {
		for _, pair := range row {
			for verb, n := range pair[role] {
				used[verb] = used[verb] || n > 0
			}
		}
	}
	maps.DeleteFunc(used, func(_ string, use bool) bool { return !use })
	return slices.Sorted(maps.Keys(used))
}

// roles are what the two replicas of a pair are.
var roles = [2]struct {
	name      string
	goals     []goal
	verbGoals map[string][]goal
}{
	{"leader", []goal{{Stat: "max", Value: 30}}, map[string][]goal{"GET": {{Stat: "max", Value: 0}}}},
	{"standby", []goal{{Stat: "max", Value: 0.5}, {Stat: "p50", Versus: clientGo, Value: 1. / 30}}, nil},
}

// pairTraffic is what the leader, and what the standby, has sent in the window.
type pairTraffic [2]traffic

func (b *bench) steadyState(ctx context.Context, s subject) (_ pairTraffic, err error) {
	c, leader, err := b.settled(ctx, s, false)
	if err != nil {
		return pairTraffic{}, err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	var before, window pairTraffic
	for i, r := range c.replicas {
		before[i] = r.link.traffic()
	}
	began := time.Now()
	if err := harness.Pause(ctx, b.requestWindow); err != nil {
		return pairTraffic{}, err
	}
	for i, r := range c.replicas {
		window[i] = r.link.traffic().minus(before[i])
	}
	if late := time.Since(began) - b.requestWindow; late > b.requestWindow/100 {
		return pairTraffic{}, fmt.Errorf("the window was %v too long: this machine is too busy to measure anything", late)
	}
	return window, c.undisturbed(leader)
}

func (t traffic) minus(before traffic) traffic {
	for verb, n := range before {
		t[verb] -= n
	}
	return t
}
