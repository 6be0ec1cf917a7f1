// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kube-elector/elector/test/harness"
)

// measureCutOff cuts leaders off from the API server, which is a crash as far as the others can see, and an outage as
// far as the leader can. Every lane does it once, to both subjects at once.
func measureCutOff(ctx context.Context, b *bench) ([]result, error) {
	rows, err := inLanes(ctx, b.lanes, func(ctx context.Context) ([]map[string]cutOff, error) {
		return sideBySide(ctx, peers, b.cutOff)
	})
	if err != nil {
		return nil, err
	}
	results := []result{
		{
			Name: "crash", Unit: seconds,
			What:  "from the renewTime of the last renewal that reached the API server + LeaseDuration to the standby's OnStartedLeading",
			Goals: []goal{{Stat: "p99", Value: 0.050}, {Stat: "p50", Versus: clientGo, Value: 1. / 50}, {Stat: "p99", Versus: clientGo, Value: 1. / 50}},
		}, {
			Name: "blackhole", Unit: seconds,
			What:  "from the sending of the last acknowledged renewal to the end of the cut-off leader's context",
			Goals: []goal{{Stat: "max", Value: time.Duration(b.timing.RenewDeadline).Seconds()}},
		}, {
			Name: "overlap", Unit: seconds,
			What:  "both contexts alive: from the standby's OnStartedLeading to the end of the cut-off leader's context; 0 if that came first",
			Goals: []goal{{Stat: "max", Value: 0}},
		},
	}
	results[0].Series = seriesOf(peers, rows, func(c cutOff) sample { return c.overshoot })
	results[1].Series = seriesOf(peers, rows, func(c cutOff) sample { return c.cancelled })
	results[2].Series = seriesOf(peers, rows, func(c cutOff) sample { return c.overlap })
	return results, nil
}

// cutOff is what one leader's end yields.
type cutOff struct{ overshoot, cancelled, overlap sample }

func (b *bench) cutOff(ctx context.Context, s subject) (_ cutOff, err error) {
	c, leader, err := b.settled(ctx, s, true)
	if err != nil {
		return cutOff{}, err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	// Crashes come at random times. Otherwise the elections of the lanes would wait for each other.
	if err := harness.Pause(ctx, rand.N(time.Duration(b.timing.LeaseDuration))); err != nil {
		return cutOff{}, err
	}
	if err := c.undisturbed(leader); err != nil {
		return cutOff{}, err
	}
	leader.replica.link.sever()
	severed := time.Now()
	// What was under way has arrived a RetryPeriod later, and nothing else can happen so soon.
	if err := harness.Pause(ctx, time.Duration(b.timing.RetryPeriod)); err != nil {
		return cutOff{}, err
	}
	lease, err := b.plane.Admin.CoordinationV1().Leases(b.namespace).Get(ctx, c.lease, metav1.GetOptions{})
	if err != nil {
		return cutOff{}, err
	}
	expiry := lease.Spec.RenewTime.Add(time.Duration(b.timing.LeaseDuration))
	next, err := c.next(ctx)
	if err != nil {
		return cutOff{}, err
	}
	limit := 4 * time.Duration(b.timing.LeaseDuration)
	if leader.endedBy(ctx, severed, limit) == never {
		return cutOff{took(expiry, next.began), never, never}, ctx.Err()
	}
	return cutOff{
		overshoot: took(expiry, next.began),
		cancelled: took(leader.replica.link.lastAcked(), leader.over),
		overlap:   max(0, took(next.began, leader.over)),
	}, nil
}
