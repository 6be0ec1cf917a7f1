// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/kube-elector/elector/test/harness"
)

// eventually looks again and again whether something is so.
func eventually(ctx context.Context, is func() bool) error {
	for !is() {
		if err := harness.Pause(ctx, 10*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

// endedBy returns when the term's work returned after since, or never if that takes longer than limit.
func (t *tenure) endedBy(ctx context.Context, since time.Time, limit time.Duration) sample {
	timer := time.NewTimer(time.Until(since.Add(limit)))
	defer timer.Stop()
	select {
	case <-t.ended:
		return took(since, t.over)
	case <-timer.C:
	case <-ctx.Done():
	}
	return never
}

// settle waits until the candidates' clocks have drifted apart, and then for a random moment, so that no phase of
// client-go's look at the Lease, every 1 to 2.2 RetryPeriods, is more likely than another.
func (t timing) settle(ctx context.Context) error {
	longest := 22 * time.Duration(t.RetryPeriod) / 10
	return harness.Pause(ctx, longest+rand.N(longest)) //nolint:gosec // not a secret
}

// patience bounds the wait for what any candidate must have done after that long.
func (t timing) patience(ctx context.Context) (context.Context, context.CancelFunc) {
	limit := 4 * time.Duration(t.LeaseDuration)
	return context.WithTimeoutCause(ctx, limit, fmt.Errorf("nothing after %v", limit))
}
