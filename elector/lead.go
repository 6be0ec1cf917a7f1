// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// lead takes a term from its beginning to its end. It returns an error when the
// end cannot be an orderly one, and the Elector must end with it.
func (e *Elector) lead(ctx context.Context, c *campaign, t *term) error {
	var watchdog sync.WaitGroup
	stop := make(chan struct{})
	if c != nil {
		watchdog.Go(func() { t.watchdog(stop, e.config.tick()) })
	}
	// Whatever happens here, a panic included: no Lease is renewed without a
	// leader, and whoever waits for the end is told of it.
	defer func() {
		t.retire()
		t.cancel(ErrStopped)
		c.stop()
		close(stop)
		watchdog.Wait()
		e.term.Store(nil)
		e.announce()
		close(t.over)
	}()

	e.begun(ctx, t)
	w := e.startWork(ctx, t)
	select {
	case <-t.lost:
	case <-c.ended():
		t.lose(ErrLeaseExpired)
	case <-ctx.Done():
		t.cancel(ErrStopped)
	case <-t.stepDown:
		t.cancel(ErrSteppedDown)
	case <-w.done: // by a panic or Goexit; otherwise it awaits the term's end
	}
	cause := context.Cause(t.ctx)
	started, _ := t.ends()
	t.overErr = e.drain(c, t, w)
	drained := t.overErr == nil
	if drained {
		t.retire()
		c.stop()
		t.overErr = e.hand(ctx, t, cause)
	}
	e.ended(ctx, t, cause, started)
	if drained {
		return nil
	}
	return t.overErr
}

// hand hands the Lease over if the term was ended voluntarily and it is still
// held.
func (e *Elector) hand(ctx context.Context, t *term, cause error) error {
	steppedDown := errors.Is(cause, ErrSteppedDown)
	if steppedDown {
		defer func() { // not before: the release may take its time
			since := now()
			e.yielding = &since
		}()
	}
	if c := e.config; !c.Enabled || !steppedDown && !(errors.Is(cause, ErrStopped) && c.ReleaseOnCancel) {
		return nil
	}
	held := t.held()
	if held == 0 {
		return fmt.Errorf("%w: its time had passed before the work had ended", ErrNotReleased)
	}
	if err := e.release(ctx, held); err != nil {
		return fmt.Errorf("%w: %w", ErrNotReleased, err)
	}
	return nil
}
