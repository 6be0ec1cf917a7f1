// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"testing"
	"time"
)

// measureCalls has one leader of each subject asked over and over whether it leads, in turn.
func measureCalls(ctx context.Context, b *bench) (_ []result, err error) {
	took := result{Name: "isleader", What: "a call of a leader's IsLeader, mean of many", Unit: nanoseconds}
	allocated := result{Name: "isleader-allocations", What: "heap allocations of such a call, rounded down", Unit: number}
	var contests []*contest
	defer func() {
		for _, c := range contests {
			err = errors.Join(err, c.close())
		}
	}()
	leaders := map[string]candidate{}
	for _, s := range peers {
		c := b.newContest(s)
		contests = append(contests, c)
		t, err := c.elect(ctx)
		if err != nil {
			return nil, err
		}
		leaders[s.name] = t.replica.candidate
		took.Series = append(took.Series, series{Subject: s.name})
		allocated.Series = append(allocated.Series, series{Subject: s.name})
	}
	for range b.callRounds {
		for i, s := range peers {
			leads, began := 0, time.Now()
			for range b.calls {
				if leaders[s.name].IsLeader() {
					leads++
				}
			}
			each := float64(time.Since(began).Nanoseconds()) / float64(b.calls)
			if leads != b.calls {
				return nil, errors.New(s.name + ": does not lead: this machine is too busy to measure anything")
			}
			took.Series[i].Samples = append(took.Series[i].Samples, sample(each))
			allocated.Series[i].Samples = append(allocated.Series[i].Samples,
				sample(testing.AllocsPerRun(100, func() { leaders[s.name].IsLeader() })))
		}
	}
	return []result{took, allocated}, ctx.Err()
}
