// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// measureHandOver times clean hand-overs. Every lane has a Lease for each subject and one that changes hands by hand,
// the floor, and has them change hands in turn, in a new order every round.
func measureHandOver(ctx context.Context, b *bench) ([]result, error) {
	var results []result
	for _, crowd := range b.handOver {
		rounds, err := b.handOvers(ctx, crowd, electors)
		if err != nil {
			return results, err
		}
		results = append(results, handOverResults(crowd.standbys, rounds)...)
	}
	return results, nil
}

// measureReconcile times the same with operators, until the first reconcile of the successor.
func measureReconcile(ctx context.Context, b *bench) ([]result, error) {
	if err := b.createObjects(ctx, operatorObjects); err != nil {
		return nil, err
	}
	rounds, err := b.handOvers(ctx, b.reconcile, operators)
	r := result{
		Name: "first-reconcile", Unit: seconds,
		What: fmt.Sprintf("%d standing by, %d objects: from the call of cancel to the successor's first reconcile; %s: one changed line",
			b.reconcile.standbys, operatorObjects, ours),
		Goals: []goal{{Stat: "p99", Value: 0.050}, {Stat: "p50", Versus: controllerRuntime, Value: 1. / 50}, {Stat: "p99", Versus: controllerRuntime, Value: 1. / 50}},
	}
	for _, s := range operators {
		r.Series = append(r.Series, series{s.name, column(rounds, func(r handOverRound) sample { return r.fromCancel[s.name] })})
	}
	return []result{r}, err
}

func (b *bench) handOvers(ctx context.Context, crowd crowd, contenders []subject) ([]handOverRound, error) {
	return inLanes(ctx, crowd.lanes, func(ctx context.Context) ([]handOverRound, error) {
		return b.handOverLane(ctx, crowd, contenders)
	})
}

// handOverRound is what one lane measures in one round, by subject.
type handOverRound struct{ fromReturn, fromCancel map[string]sample }

func handOverResults(standbys int, rounds []handOverRound) []result {
	returned := result{
		Name: fmt.Sprintf("handover-%d", standbys),
		What: fmt.Sprintf("%d standing by: from the return of the leader's work to the next OnStartedLeading; "+
			"%s: from the sending of the releasing PUT over the watch event to the reply to the claiming PUT", standbys, floor),
		Unit: seconds,
		Goals: []goal{
			{Stat: "p50", Value: 0.015},
			{Stat: "p99", Value: 0.050},
			{Stat: "p99", Versus: floor, Value: 5},
			{Stat: "p50", Versus: clientGo, Value: 1. / 50},
			{Stat: "p99", Versus: clientGo, Value: 1. / 50},
			{Stat: "p50", Versus: controllerRuntime, Value: 1. / 50},
			{Stat: "p99", Versus: controllerRuntime, Value: 1. / 50},
		},
	}
	cancelled := result{
		Name: returned.Name + "-cancel",
		What: fmt.Sprintf("%d standing by: the same from the call of cancel", standbys),
		Unit: seconds,
	}
	for _, name := range []string{floor, ours, clientGo, controllerRuntime} {
		returned.Series = append(returned.Series,
			series{name, column(rounds, func(r handOverRound) sample { return r.fromReturn[name] })})
		if name != floor {
			cancelled.Series = append(cancelled.Series,
				series{name, column(rounds, func(r handOverRound) sample { return r.fromCancel[name] })})
		}
	}
	return []result{returned, cancelled}
}

func (b *bench) handOverLane(ctx context.Context, crowd crowd, contenders []subject) (rounds []handOverRound, err error) {
	hand, err := newByHand(ctx, b)
	if err != nil {
		return nil, err
	}
	defer hand.close()
	leaders := map[string]*tenure{}
	var contests []*contest
	defer func() {
		for _, c := range contests {
			err = errors.Join(err, c.close())
		}
	}()
	for _, s := range contenders {
		c := b.newContest(s)
		contests = append(contests, c)
		if leaders[s.name], err = c.elect(ctx); err != nil {
			return nil, err
		}
		if err := c.standBy(ctx, crowd.standbys, leaders[s.name].identity); err != nil {
			return nil, err
		}
	}
	for range crowd.rounds {
		if err := b.timing.settle(ctx); err != nil {
			return nil, err
		}
		round := handOverRound{map[string]sample{}, map[string]sample{}}
		for _, i := range rand.Perm(len(contenders) + 1) {
			if i == len(contenders) {
				round.fromReturn[floor], err = hand.handOver(ctx)
			} else {
				name := contenders[i].name
				round.fromReturn[name], round.fromCancel[name], leaders[name], err = handOver(ctx, leaders[name])
			}
			if err != nil {
				return nil, err
			}
		}
		rounds = append(rounds, round)
	}
	return rounds, nil
}

// handOver stops a leader in good order, and starts it again as a standby once another leads.
func handOver(ctx context.Context, leader *tenure) (fromReturn, fromCancel sample, next *tenure, err error) {
	r := leader.replica
	if err := r.contest.undisturbed(leader); err != nil {
		return 0, 0, nil, err
	}
	called := time.Now()
	r.cancel()
	if next, err = r.contest.next(ctx); err != nil {
		return 0, 0, nil, err
	}
	<-leader.ended
	if err := errors.Join(r.stop(), r.start(ctx)); err != nil {
		return 0, 0, nil, err
	}
	return took(leader.over, next.began), took(called, next.began), next, r.knows(ctx, next.identity)
}
