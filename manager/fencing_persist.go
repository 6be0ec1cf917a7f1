// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/kube-elector/elector/elector"
	"github.com/kube-elector/elector/manager/fencing"
)

const (
	// maxHung is how many requests may go on although they were given up. No new one is made then.
	maxHung = 8
	// hungAfter is how long a request may take to return after its context has ended.
	hungAfter = 100 * time.Millisecond
	// hungHint says where to look when a request ignores its context.
	hungHint = "look at the token source, exec plugin or transport wrapper"
)

// persist calls do until it returns nil or an error that will not change, or ctx ends. It waits for no request that
// ignores its context, so do must not write to what others use.
func (m *Manager) persist(ctx context.Context, failure string, do func(context.Context) error) error {
	backoff := wait.Backoff{Duration: 100 * time.Millisecond, Factor: 2, Jitter: 0.1, Steps: 100, Cap: 10 * time.Second}
	calls := make(chan struct{}, maxHung)
	for {
		err := attempt(ctx, calls, do)
		if err == nil || errors.Is(err, fencing.ErrMismatch) {
			return err
		}
		if ctx.Err() == nil {
			m.gate.log.WarnContext(ctx, failure, "err", err)
		}
		if !pause(ctx, backoff.Step()) {
			return context.Cause(ctx)
		}
	}
}

// attempt returns what do returns, or an error that is [elector.ErrRequestHung] if do goes on after its time is up.
func attempt(ctx context.Context, calls chan struct{}, do func(context.Context) error) error {
	select {
	case calls <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	bounded, cancel := context.WithTimeout(ctx, preflightTimeout)
	defer cancel()
	done := make(chan error, 1)
	go func() {
		defer func() { <-calls }()
		done <- do(bounded)
	}()
	select {
	case err := <-done:
		return err
	case <-bounded.Done():
	}
	timer := time.NewTimer(hungAfter)
	defer timer.Stop()
	select {
	case err := <-done:
		return err
	case <-timer.C:
		return fmt.Errorf("%w (%s): %w", elector.ErrRequestHung, hungHint, context.Cause(bounded))
	}
}
