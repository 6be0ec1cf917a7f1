// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"
	"fmt"
	"time"
)

// pollInterval is short beside anything that is waited for, and long beside what a look costs.
const pollInterval = 5 * time.Millisecond

// Poll calls f until it returns nil. The error says what was awaited, and f's last error.
func Poll(ctx context.Context, timeout time.Duration, what string, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var last error
	for {
		err := f(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() == nil {
			last = err
		}
		if Pause(ctx, pollInterval) != nil {
			return fmt.Errorf("waited %v for %s: %w (%w)", timeout, what, last, context.Cause(ctx))
		}
	}
}

// Pause waits for d, or until ctx ends, whose cause it returns.
func Pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
