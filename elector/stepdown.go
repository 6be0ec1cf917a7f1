// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"sync"

	"github.com/kube-elector/elector/elector/internal/lease"
)

// StepDown ends the current term. Its work is stopped and awaited, the Lease is released, and it is left to another
// candidate for a while (three RetryPeriods, or until one has it) before this replica stands by as before. StepDown
// releases whatever ReleaseOnCancel says.
//
// It returns nil when the Lease has been released, or if this replica did not hold it. During a claim it waits for the
// claim's outcome. After a lost term, whose record may still stand, it releases that. It returns an error that is
// [ErrNotReleased] when the Lease must lapse; this replica then waits until it has lapsed for the others, and for three
// RetryPeriods more. If ctx ends first, StepDown returns an error with the cause of ctx, and the stepping down goes on.
//
// It may be called concurrently; all calls wait for the same end. It does not wait when it is called by the goroutine
// of OnStartedLeading or OnStoppedLeading: it returns an error that is [ErrSteppedDown] at once, and the term ends when
// they have returned.
//
// It is an error if the election is not Enabled, as nobody else could lead.
func (e *Elector) StepDown(ctx context.Context) error {
	if !e.config.Enabled {
		return fmt.Errorf("elector: StepDown: the election is not Enabled: %w", errors.ErrUnsupported)
	}
	r, ended := e.stepDowns.ask()
	if r == nil || ended && !e.mayHold() {
		return nil
	}
	if t := e.term.Load(); t != nil && t.callbacks.Load() == goroutine() {
		return fmt.Errorf("elector: StepDown: called by a callback, whose return it would wait for: %w", ErrSteppedDown)
	}
	select {
	case <-r.done:
		if r.err != nil {
			return fmt.Errorf("elector: StepDown: %w", r.err)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("elector: StepDown: the term, or a claim, has not ended yet: %w", context.Cause(ctx))
	}
}

// goroutine returns the number of the calling goroutine, by which it is told from others. Go shows it only in stack
// traces.
func goroutine() uint64 {
	var buffer [64]byte
	text := buffer[:runtime.Stack(buffer[:], false)] // goroutine 1 [running]: …
	number, _, _ := bytes.Cut(bytes.TrimPrefix(text, []byte("goroutine ")), []byte(" "))
	n, _ := strconv.ParseUint(string(number), 10, 64)
	return n
}

// A resignation is what calls of StepDown wait for.
type resignation struct {
	done chan struct{}
	err  error // read it after done
}

func (r *resignation) answer(err error) {
	if r != nil {
		r.err = err
		close(r.done)
	}
}

// stepDowns brings calls of StepDown to Start's goroutine.
type stepDowns struct {
	mu    sync.Mutex // guards all below
	held  bool       // the Lease is held, or claimed, or it may be ours
	asked *resignation
	wake  context.CancelCauseFunc // ends the context that begin returned
	final *resignation            // Start has ended
}

// ask returns what to wait for, nil if nothing is held, and whether Start has ended.
func (s *stepDowns) ask() (r *resignation, ended bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case !s.held:
		return nil, false
	case s.final != nil:
		return s.final, true
	case s.asked == nil:
		s.asked = &resignation{done: make(chan struct{})}
		s.wake(ErrSteppedDown)
	}
	return s.asked, false
}

// begin returns a context that ends when somebody asks, at once if somebody has.
func (s *stepDowns) begin(ctx context.Context) context.Context {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.wake != nil {
		s.wake(nil) // a context that nobody uses any more
	}
	ctx, s.wake = context.WithCancelCause(ctx)
	if s.asked != nil {
		s.wake(ErrSteppedDown)
	}
	return ctx
}

// take returns the resignation that must be answered now, nil if nobody has asked. Later callers get another one.
func (s *stepDowns) take() *resignation {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.asked
	s.asked = nil
	return r
}

// holds takes in whether there is anything to step down from.
func (s *stepDowns) holds(held bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = held
}

// end answers all callers, those to come included.
func (s *stepDowns) end(held bool, err error) {
	r := &resignation{done: make(chan struct{})}
	r.answer(err)
	s.mu.Lock()
	asked := s.asked
	s.held, s.asked, s.final = held, nil, r
	if s.wake != nil {
		s.wake(nil)
	}
	s.mu.Unlock()
	asked.answer(err)
}

// obey steps down if the Lease asks for the end of this term. Nobody waits for it here. Without a token, as with
// client-go's fake clientset, nobody can ask. A request that comes too soon after the one before is looked at again
// with every renewal. Something that asks every new leader at once would have nobody lead for long.
func (e *Elector) obey(t *term, obs lease.Observation) {
	if t.Token == "" || !obs.Ours || obs.Lease.Annotations[StepDownAnnotation] != string(t.Token) || t.held() == 0 {
		return
	}
	m := lease.Now()
	if last := e.obeyed.Load(); last != nil && m.StandbySince(*last) < e.config.slow() || !t.asked.CompareAndSwap(false, true) {
		return
	}
	e.obeyed.Store(&m)
	e.logger.InfoContext(context.WithoutCancel(t.ctx), "stepping down: an annotation on the Lease asks for it", "token", t.Token)
	e.stepDowns.ask()
}
