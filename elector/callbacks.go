// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync/atomic"
)

// work is the goroutine that runs the callbacks of one term, one after the other, which is what keeps them in pairs and
// in order.
type work struct {
	done     chan struct{}
	stopping atomic.Bool // OnStartedLeading has returned, and OnStoppedLeading follows
	returned bool
	panicked error
}

// callback returns the name of the callback that runs.
func (w *work) callback() string {
	if w.stopping.Load() {
		return "OnStoppedLeading"
	}
	return "OnStartedLeading"
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
	e.led, e.ran = true, true
	go func() {
		t.callbacks.Store(goroutine())
		defer close(w.done)
		defer func() {
			if v := recover(); v != nil {
				w.panicked = &panicError{callback: w.callback(), value: v, stack: debug.Stack()}
			}
			if !w.returned {
				t.lose(ErrStopped)
			}
		}()
		if f := e.callbacks.OnStartedLeading; f != nil {
			f(t.ctx)
		}
		<-t.ctx.Done()
		// From here on this replica's work is done. Retiring any later would make IsLeader return true in OnStoppedLeading.
		t.retire()
		w.stopping.Store(true)
		if f := e.callbacks.OnStoppedLeading; f != nil {
			f()
		}
		w.returned = true
	}()
	return w
}

// outcome returns the result once done is closed. It passes a panic on.
func (w *work) outcome() error {
	switch {
	case w.panicked != nil:
		panic(w.panicked)
	case !w.returned:
		return goexitError(w.callback())
	}
	return nil
}

func goexitError(callback string) error {
	return fmt.Errorf("%s ended its goroutine (runtime.Goexit)", callback)
}

// panicError is what Start panics with when a callback has panicked. It wraps the value that was thrown, if that is an
// error.
type panicError struct {
	callback string
	value    any
	stack    []byte
}

func (p *panicError) Error() string {
	return fmt.Sprintf("elector: panic in %s: %v\n\n%s", p.callback, p.value, p.stack)
}

func (p *panicError) Unwrap() error {
	err, _ := p.value.(error)
	return err
}
