// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"time"

	"github.com/kube-elector/elector/test/chaos/scenario"
	"github.com/kube-elector/elector/test/chaos/stage"
)

// soak plays chapters on one control plane until the time is over. The seed decides which faults affect which replicas and
// for how long, but not what the machine does meanwhile.
func (r *runner) soak(ctx context.Context, d time.Duration, seed uint64) error {
	return r.onPlane(ctx, true, func(p *stage.Plane) {
		until := time.Now().Add(d)
		for n := 1; time.Now().Before(until) && ctx.Err() == nil; n++ {
			r.play(ctx, p, turn{scenario.Chapter(n, seed, until), fmt.Sprintf("soak-%d-%03d", seed, n)})
		}
	})
}
