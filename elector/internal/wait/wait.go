// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

// Package wait has small waits that a context or a time ends.
package wait

import (
	"context"
	"sync"
	"time"
)

// Any waits until one of the channels is closed or delivers (never if nil), d has passed (never if negative), or ctx
// has ended. It reports whether it was a channel.
func Any(ctx context.Context, d time.Duration, first, second <-chan struct{}) bool {
	if d == 0 { // Go 1.26 with the race detector may crash on a timer that is due at once, in a bubble.
		select {
		case <-first:
			return true
		case <-second:
			return true
		default:
			return false
		}
	}
	var timeout <-chan time.Time
	if d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		timeout = timer.C
	}
	select {
	case <-first:
		return true
	case <-second:
		return true
	case <-timeout:
	case <-ctx.Done():
	}
	return false
}

// UntilClosed returns a context that ends when c is closed, too. It is no child of parent, which would keep a map of
// children for as long as it lives.
func UntilClosed(parent context.Context, c <-chan struct{}) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(parent))
	go func() {
		select {
		case <-c:
			cancel(nil)
		case <-parent.Done():
			cancel(context.Cause(parent))
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(nil) }
}

// Sooner returns the shorter of two times, of which negative ones never come.
func Sooner(a, b time.Duration) time.Duration {
	if a < 0 || b >= 0 && b < a {
		return b
	}
	return a
}

// For reports whether the group's goroutines end within d.
func For(group *sync.WaitGroup, d time.Duration) bool {
	done := make(chan struct{})
	go func() {
		group.Wait()
		close(done)
	}()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
		return false
	}
}

// Sleep waits for d, or less if ctx ends.
func Sleep(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
