// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"
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
	started := now()
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

// drain waits for the work to end and, in a voluntary end, for open holds.
// Meanwhile the Lease goes on being renewed, unless it has been lost. Released or
// left to lapse while the work is still running, it would give us two leaders.
func (e *Elector) drain(c *campaign, t *term, w *work) error {
	timer := time.NewTimer(e.config.DrainTimeout)
	defer timer.Stop()
	var unheld <-chan struct{} // set when the work has returned
	for done, lost := w.done, t.lost; ; {
		select {
		case <-done:
			if err := w.outcome(); err != nil || lost == nil {
				return err
			}
			t.retire()
			done, unheld = nil, t.unheld()
		case <-unheld:
			return nil
		case <-lost:
			lost = nil
			c.stop()
			if done == nil {
				return nil // the holds of a lost term just end
			}
		case <-timer.C:
			if done == nil {
				return fmt.Errorf("%w (%v): %d holds (Term.Hold) are open", ErrDrainTimeout, e.config.DrainTimeout, t.openHolds())
			}
			return fmt.Errorf("%w (%v)", ErrDrainTimeout, e.config.DrainTimeout)
		}
	}
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

// work is the goroutine that runs the callbacks of one term, one after the
// other, which is what keeps them in pairs and in order.
type work struct {
	done     chan struct{}
	returned bool
	panicked error
}

// startWork calls the callbacks, unless the term is over before it has begun.
func (e *Elector) startWork(ctx context.Context, t *term) *work {
	w := &work{done: make(chan struct{})}
	if ctx.Err() != nil || t.ctx.Err() != nil {
		t.cancel(ErrStopped)
		w.returned = true
		close(w.done)
		return w
	}
	go func() {
		defer close(w.done)
		defer func() {
			if v := recover(); v != nil {
				w.panicked = fmt.Errorf("elector: panic in a callback: %v\n\n%s", v, debug.Stack())
			}
			if !w.returned {
				t.lose(ErrStopped)
			}
		}()
		if f := e.callbacks.OnStartedLeading; f != nil {
			f(t.ctx)
		}
		<-t.ctx.Done()
		// From here on this replica's work is done. Retiring any later would
		// have IsLeader say yes in OnStoppedLeading.
		t.retire()
		if f := e.callbacks.OnStoppedLeading; f != nil {
			f()
		}
		w.returned = true
	}()
	return w
}

// outcome is for when done is closed. It passes a panic on.
func (w *work) outcome() error {
	switch {
	case w.panicked != nil:
		panic(w.panicked)
	case !w.returned:
		return errors.New("a callback ended its goroutine (runtime.Goexit)")
	}
	return nil
}
