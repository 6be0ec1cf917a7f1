// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/kube-elector/elector/test/harness"
)

// servers are the processes of the control plane.
var servers = []string{"kube-apiserver", "etcd"}

// measureServer takes the control plane's processor time while nothing happens but the elections of one subject, those
// of the other, and none, which it subtracts.
func measureServer(ctx context.Context, b *bench) ([]result, error) {
	nobody := subject{}
	var rounds []map[string]map[string]float64
	for range b.serverRounds {
		round := map[string]map[string]float64{}
		all := append([]subject{nobody}, peers...)
		for _, i := range rand.Perm(len(all)) {
			spent, err := b.serverSpends(ctx, all[i])
			if err != nil {
				return nil, err
			}
			round[all[i].name] = spent
		}
		rounds = append(rounds, round)
	}
	var results []result
	candidates := float64(3 * b.serverLeases)
	for _, server := range servers {
		r := result{
			Name: server + "-cpu", Unit: seconds,
			What: fmt.Sprintf("CPU seconds of %s per 1,000 candidates and minute, of %d Leases with 3 candidates, less what it spends without any", server, b.serverLeases),
		}
		for _, s := range peers {
			r.Series = append(r.Series, series{s.name, column(rounds, func(round map[string]map[string]float64) sample {
				return sample((round[s.name][server] - round[nobody.name][server]) / candidates * 1000)
			})})
		}
		results = append(results, r)
	}
	return results, nil
}

// serverSpends returns what each of the servers spends in a minute, in seconds, while the subject's candidates run.
func (b *bench) serverSpends(ctx context.Context, s subject) (spent map[string]float64, err error) {
	if s.name != "" {
		var contests []*contest
		defer func() {
			for _, c := range contests {
				err = errors.Join(err, c.close())
			}
		}()
		for range b.serverLeases {
			c := b.newContest(s)
			contests = append(contests, c)
			leader, err := c.elect(ctx)
			if err != nil {
				return nil, err
			}
			if err := c.standBy(ctx, 2, leader.identity); err != nil {
				return nil, err
			}
		}
	}
	if err := b.timing.settle(ctx); err != nil {
		return nil, err
	}
	before, err := serverTimes()
	if err != nil {
		return nil, err
	}
	began := time.Now()
	if err := harness.Pause(ctx, b.serverWindow); err != nil {
		return nil, err
	}
	minutes := time.Since(began).Minutes()
	after, err := serverTimes()
	spent = map[string]float64{}
	for _, server := range servers {
		spent[server] = (after[server] - before[server]).Seconds() / minutes
	}
	return spent, err
}

func serverTimes() (map[string]time.Duration, error) {
	times := map[string]time.Duration{}
	for _, server := range servers {
		var err error
		if times[server], err = serverTime(server); err != nil {
			return nil, err
		}
	}
	return times, nil
}
