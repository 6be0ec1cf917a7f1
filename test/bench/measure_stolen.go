// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// measureStolen takes the Lease from leaders that have done nothing wrong. Every lane does it once in each way, to both
// subjects at once, with one standby.
func measureStolen(ctx context.Context, b *bench) ([]result, error) {
	ways := []struct {
		name, what string
		act        func(*bench, context.Context, string) error
	}{
		{"taken", "from the sending of a request that puts another holder into the Lease to the end of the leader's context", (*bench).take},
		{"deleted", "from the sending of a request that deletes the Lease to the end of the leader's context", (*bench).remove},
	}
	var results []result
	for _, way := range ways {
		limit := 2 * time.Duration(b.timing.LeaseDuration)
		rows, err := inLanes(ctx, b.lanes, func(ctx context.Context) ([]map[string]sample, error) {
			return sideBySide(ctx, peers, func(ctx context.Context, s subject) (sample, error) {
				return b.stolen(ctx, s, limit, way.act)
			})
		})
		if err != nil {
			return results, err
		}
		results = append(results, result{
			Name: way.name, What: way.what, Unit: seconds, Waited: duration(limit),
			Goals:  []goal{{Stat: "max", Value: 0.050}},
			Series: seriesOf(peers, rows, func(s sample) sample { return s }),
		})
	}
	return results, nil
}

func (b *bench) stolen(ctx context.Context, s subject, limit time.Duration, act func(*bench, context.Context, string) error) (_ sample, err error) {
	c, leader, err := b.settled(ctx, s, false)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	if err := c.undisturbed(leader); err != nil {
		return 0, err
	}
	sent := time.Now()
	if err := act(b, ctx, c.lease); err != nil {
		return 0, err
	}
	return leader.endedBy(ctx, sent, limit), ctx.Err()
}

// take writes another holder into the Lease, as a candidate that has claimed it does.
func (b *bench) take(ctx context.Context, lease string) error {
	patch, err := json.Marshal(map[string]any{"spec": map[string]any{
		"holderIdentity": "another", "acquireTime": metav1.NowMicro(), "renewTime": metav1.NowMicro(),
	}})
	if err != nil {
		return err
	}
	_, err = b.plane.Admin.CoordinationV1().Leases(b.namespace).
		Patch(ctx, lease, types.MergePatchType, patch, metav1.PatchOptions{})
	return err
}

func (b *bench) remove(ctx context.Context, lease string) error {
	return b.plane.Admin.CoordinationV1().Leases(b.namespace).Delete(ctx, lease, metav1.DeleteOptions{})
}
