// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package shards

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/kube-elector/elector/elector"
	"github.com/kube-elector/elector/elector/internal/wait"
)

// Start takes part in the set until ctx is cancelled. Then it gives back its shards,
// each as soon as its work has ended, and returns nil. The loss of shards, of the
// session or of the API server never ends it. It returns [ErrCount] when replicas
// with another number of shards are running, [elector.ErrDrainTimeout] when work does
// not stop, and passes a panic of a callback on. It can be called once.
//
// After ctx has been cancelled it returns within DrainTimeout, plus
// LeaseDuration−RenewDeadline if work does not stop, plus the time of a request.
func (s *Shards) Start(ctx context.Context) (err error) {
	s.mu.Lock()
	again := s.started
	s.started = true
	s.mu.Unlock()
	if again {
		return fmt.Errorf("shards: %w", elector.ErrAlreadyStarted)
	}
	kept, done := elector.KeepConnections(context.WithoutCancel(ctx))
	defer done()
	helpers, cancel := context.WithCancel(kept)
	var group sync.WaitGroup
	if s.config.Enabled {
		group.Go(func() { s.watcher.run(helpers) })
		group.Go(func() { s.collectLeftovers(helpers) })
		group.Go(func() { s.crashes.run(helpers) })
	}
	returned := false
	defer func() {
		stuck := s.client != nil && errors.Is(err, elector.ErrDrainTimeout)
		if stuck { // the process has to end before another replica serves what still runs
			s.client.asker.Hurry()
		}
		cancel()
		if returned {
			group.Wait() // each request is given up when its context has ended
			if s.client != nil && !stuck {
				if hung := s.client.asker.Close(0, elector.ErrStopped); hung != nil {
					err = errors.Join(err, fmt.Errorf("shards: %w", hung))
				}
			}
		} else {
			err = errPanicked
		}
		s.mu.Lock()
		s.result = err
		s.mu.Unlock()
	}()
	err = s.run(ctx)
	returned = true
	return err
}

var errPanicked = errors.New("a callback panicked")

// run lives one life after the other. A life is a session and what comes before it.
func (s *Shards) run(ctx context.Context) error {
	for began := (time.Time{}); ; began = time.Now() {
		if !began.IsZero() && s.config.Enabled {
			wait.Sleep(ctx, 2*time.Millisecond) // a session is known by its acquireTime, which may be 1 ms late
			s.watcher.listAgain()
		}
		if s.config.Enabled {
			if err := s.enter(ctx, began); err != nil {
				return fmt.Errorf("shards: %w", err)
			}
		}
		if ctx.Err() != nil {
			return nil
		}
		err := s.live(ctx)
		if err = errors.Join(s.failed(), err); err != nil {
			return fmt.Errorf("shards: %w", err)
		}
	}
}

// enter waits until this replica may have a session: it has read the set since began,
// and there are no replicas with another number of shards. It returns [ErrCount] if
// there are, and nobody wants to wait for their end. A replica that sees nothing must
// not be counted as a member by the others.
func (s *Shards) enter(ctx context.Context, began time.Time) error {
	competing, told, looks := false, time.Time{}, map[session]time.Time{}
	defer s.refuse(false)
	for ctx.Err() == nil {
		pause := s.config.RetryPeriod
		if at, ok := s.view.lastSighted(); ok && !at.Before(began) {
			if !competing || s.callbacks.OnOtherCount != nil {
				s.view.compete()
				competing = true
			}
			rivals := s.view.rivalry(time.Now())
			switch {
			case rivals.none:
				return nil
			case rivals.alive && s.callbacks.OnOtherCount == nil:
				return s.countError()
			case rivals.alive && (told.IsZero() || time.Since(told) >= reminder):
				told = time.Now()
				s.refuse(true)
				s.callbacks.OnOtherCount(s.countError())
			}
			pause = rivals.next
			if len(rivals.confirm) > 0 {
				s.confirm(ctx, rivals.confirm, looks)
				pause = min(pause, s.config.RetryPeriod)
			}
		}
		timer := time.NewTimer(pause)
		select {
		case <-s.view.changed:
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
	}
	return nil
}

// confirm reads the Leases of sessions that seem to have lapsed, each once in a RetryPeriod: looks says when.
func (s *Shards) confirm(ctx context.Context, sessions []session, looks map[session]time.Time) {
	for _, r := range sessions {
		if time.Since(looks[r]) < s.config.RetryPeriod {
			continue
		}
		looks[r] = time.Now()
		if err := s.client.confirm(ctx, r, 0); err != nil && ctx.Err() == nil {
			s.troubled("cannot read the Lease of another replica", err)
			wait.Sleep(ctx, jitter(s.config.RetryPeriod))
		}
	}
}

// live has a session, and returns when it has ended for good.
func (s *Shards) live(ctx context.Context) error {
	life, finish := context.WithCancelCause(context.WithoutCancel(ctx))
	defer finish(nil)
	session, err := s.newSession(elector.Callbacks{
		OnStartedLeading: func(term context.Context) { s.keep(ctx, term, finish) },
	})
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.session = session
	s.mu.Unlock()
	defer context.AfterFunc(ctx, func() {
		s.mu.Lock()
		waiting := s.keeper == nil
		s.mu.Unlock()
		if waiting { // a keeper gives the shards back first
			finish(elector.ErrStopped)
		}
	})()
	err = session.Start(life)
	if s.failed() != nil && !errors.Is(err, elector.ErrDrainTimeout) {
		return nil // the failure says why
	}
	if ctx.Err() == nil && !errors.Is(err, elector.ErrDrainTimeout) &&
		(errors.Is(err, elector.ErrNotReleased) || errors.Is(err, elector.ErrRequestHung)) {
		s.troubled("the session did not end in order, and lapses", err)
		return nil // the next life begins when it has
	}
	if err != nil {
		if running := s.running(); len(running) > 0 {
			err = fmt.Errorf("shards whose work is still running %v: %w", running, err)
		}
	}
	return err
}

// running returns the shards whose work has not ended.
func (s *Shards) running() []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []int
	for i := range s.held {
		all = append(all, i)
	}
	slices.Sort(all)
	return all
}

// keep looks after the shards of one session.
func (s *Shards) keep(outer, ctx context.Context, finish func(error)) {
	term, _ := elector.TermFromContext(ctx)
	k := &keeper{
		s: s, outer: outer, ctx: ctx, term: term, finish: finish,
		news: make(chan struct{}, 1), began: time.Now(),
		holdings: map[int]*holding{}, refused: map[int]refusal{}, short: map[int]refusal{}, looks: map[session]time.Time{},
		pace: pace{usual: 4 * time.Millisecond},
	}
	s.mu.Lock()
	s.keeper = k
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.keeper = nil
		s.mu.Unlock()
		if outer.Err() != nil { // the session was lost while the shards were given back
			finish(elector.ErrStopped)
		}
	}()
	if s.config.Enabled {
		k.run()
	} else {
		k.runAlone()
	}
	k.group.Wait() // each request is given up when its context has ended
}
