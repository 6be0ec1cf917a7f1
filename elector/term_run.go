// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"context"
	"sync"
)

// lead takes a term from its beginning to its end, which comes voluntarily with that of waiting. It returns an error
// when the Elector must end with it.
func (e *Elector) lead(ctx, waiting context.Context, c *campaign, t *term) error {
	var watchdog sync.WaitGroup
	stop := make(chan struct{})
	if c != nil {
		watchdog.Go(func() { t.watchdog(stop, e.config.tick()) })
	}
	// Whatever happens here, a panic included: no Lease is renewed without a leader, and what waits for the end is told of
	// it.
	defer func() {
		t.retire()
		t.cancel(ErrStopped)
		c.stop()
		close(stop)
		watchdog.Wait()
		e.term.Store(nil)
		e.announce()
	}()

	e.begun(ctx, t)
	w := e.startWork(ctx, t)
	select {
	case <-t.lost:
	case <-c.ended():
		t.lose(ErrLeaseExpired)
	case <-waiting.Done():
		t.cancel(endCause(ctx))
	case <-w.done: // by a panic or Goexit; otherwise it awaits the term's end
	}
	cause := context.Cause(t.ctx)
	e.cause = cause
	started, _ := t.ends()
	t.overErr = e.drain(c, t, w)
	drained := t.overErr == nil
	if drained {
		t.retire()
		c.stop()
		t.overErr = e.relinquish(ctx, t, started)
	}
	e.ended(ctx, t, cause, started)
	if drained && (ctx.Err() == nil || !e.config.ReleaseOnCancel) {
		return nil
	}
	return t.overErr
}

// endCause returns why a term ends voluntarily.
func endCause(ctx context.Context) error {
	if ctx.Err() != nil {
		return ErrStopped
	}
	return ErrSteppedDown
}
