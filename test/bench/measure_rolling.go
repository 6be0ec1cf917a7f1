// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// measureRolling stops and replaces replicas one after the other, as a Deployment's update does. Every lane does it to
// all subjects at once.
func measureRolling(ctx context.Context, b *bench) ([]result, error) {
	rows, err := inLanes(ctx, b.rolling.lanes, func(ctx context.Context) ([]map[string]rolled, error) {
		var rows []map[string]rolled
		for range b.rolling.rounds {
			row, err := sideBySide(ctx, electors, b.roll)
			if err != nil {
				return nil, err
			}
			rows = append(rows, row...)
		}
		return rows, nil
	})
	what := fmt.Sprintf("in an update of %d replicas, each stopped and replaced in turn, the new one standing by before the next goes", b.rolling.standbys)
	changes := result{Name: "rolling-changes", Unit: number, What: "changes of the leader " + what}
	leaderless := result{
		Name: "rolling-leaderless", Unit: seconds, What: "time without a leader, in all, " + what,
		Goals: []goal{{Stat: "p50", Versus: clientGo, Value: 1. / 50}, {Stat: "p50", Versus: controllerRuntime, Value: 1. / 50}},
	}
	changes.Series = seriesOf(electors, rows, func(r rolled) sample { return sample(r.changes) })
	leaderless.Series = seriesOf(electors, rows, func(r rolled) sample { return sample(r.leaderless.Seconds()) })
	return []result{changes, leaderless}, err
}

// rolled is what one update costs.
type rolled struct {
	changes    int
	leaderless time.Duration
}

func (b *bench) roll(ctx context.Context, s subject) (done rolled, err error) {
	c := b.newContest(s)
	defer func() { err = errors.Join(err, c.close()) }()
	leader, err := c.elect(ctx)
	if err != nil {
		return done, err
	}
	if err := c.standBy(ctx, b.rolling.standbys-1, leader.identity); err != nil {
		return done, err
	}
	for _, i := range rand.Perm(b.rolling.standbys) {
		if err := b.timing.settle(ctx); err != nil {
			return done, err
		}
		if err := c.undisturbed(leader); err != nil {
			return done, err
		}
		old := c.replicas[i]
		if old == leader.replica {
			old.cancel()
			next, err := c.next(ctx)
			if err != nil {
				return done, err
			}
			<-leader.ended
			done.changes++
			done.leaderless += next.began.Sub(leader.over)
			leader = next
		}
		if err := errors.Join(old.stop(), old.start(ctx), old.knows(ctx, leader.identity)); err != nil {
			return done, err
		}
	}
	return done, nil
}

// createObjects creates that many objects for operators to have.
func (b *bench) createObjects(ctx context.Context, n int) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(8)
	for range n {
		group.Go(func() error {
			object := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{GenerateName: "object-"}}
			_, err := b.plane.Admin.CoreV1().ConfigMaps(b.namespace).Create(ctx, object, metav1.CreateOptions{})
			return err
		})
	}
	return group.Wait()
}
