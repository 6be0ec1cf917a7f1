// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// yieldPeriods is for how many RetryPeriods after a StepDown the Lease is left
// to other candidates. client-go's look at it every 1 to 2.2 RetryPeriods.
const yieldPeriods = 3

// Start stands by, leads when it wins, and stands by again when a term has
// ended, until ctx is cancelled; then it ends the term there may be, in order,
// and returns nil. It returns ErrDrainTimeout when the leader's work does not
// stop, and passes a panic of OnStartedLeading on. Losing the leadership, or
// the API server, never ends it. What it has started has ended when it returns,
// except for callbacks that do not return. It can be called once.
func (e *Elector) Start(ctx context.Context) (err error) {
	if !e.started.CompareAndSwap(false, true) {
		return fmt.Errorf("elector: %w", ErrAlreadyStarted)
	}

	ctx = e.withLogger(ctx)
	// The helpers outlive ctx: the Lease is watched while a term ends.
	helpers, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var group sync.WaitGroup
	group.Go(func() { e.announcer.run(helpers) })
	if e.watcher != nil {
		group.Go(func() { e.watcher.run(helpers) })
	}
	returned := false
	defer func() {
		cancel()
		if !returned {
			e.health.set(errPanicked)
			return // nothing is worth waiting for: the process is about to end
		}
		if !waitFor(&group, e.config.DrainTimeout) {
			err = errors.Join(err, fmt.Errorf("elector: OnNewLeader: %w", ErrDrainTimeout))
		}
		e.health.set(err)
	}()
	err = e.run(ctx)
	returned = true
	return err
}

// run is the life of a candidate: standby, campaign, term, standby.
func (e *Elector) run(ctx context.Context) error {
	if !e.config.Enabled {
		t := newTerm(ctx, Term{Identity: e.config.Identity, AcquiredAt: now().wall}, "", 0, now())
		e.term.Store(t)
		e.announce()
		return e.lead(ctx, nil, t)
	}
	for {
		base, changed, ok := e.standby(ctx)
		if !ok {
			return nil
		}
		c, err := e.startCampaign(ctx, base)
		if err != nil {
			return fmt.Errorf("elector: %w", err)
		}
		t, err := c.outcome()
		if t == nil {
			e.claimFailed(ctx, changed, err)
			continue
		}
		e.failing = false
		e.metrics().acquired(base)
		if err := e.lead(ctx, c, t); err != nil {
			return fmt.Errorf("elector: %w", err)
		}
	}
}

// standby waits until the Lease can be claimed, and returns it as it is then
// with the channel that is closed when it is seen to change. It returns false
// when ctx has ended.
func (e *Elector) standby(ctx context.Context) (observation, <-chan struct{}, bool) {
	for ctx.Err() == nil {
		obs, changed := e.view.get()
		wait := time.Duration(-1)
		if obs.known {
			wait = max(obs.claimableIn(now()), e.yield(obs))
		}
		switch {
		case wait != 0:
			awaitChange(ctx, changed, wait)
		case obs.guard == 0, e.confirmLapsed(ctx):
			return obs, changed, true
		}
	}
	return observation{}, nil, false
}

// confirmLapsed reads the Lease once before a lapsed one is claimed: the watch
// may have died silently, or this process may have been stopped for a while.
func (e *Elector) confirmLapsed(ctx context.Context) bool {
	news, err := e.leases.read(ctx)
	if err != nil {
		if ctx.Err() == nil {
			e.troubled(ctx, "cannot read the Lease", err)
		}
		sleep(ctx, jitter(e.config.RetryPeriod))
		return false
	}
	if news {
		e.watcher.distrust()
	}
	return !news
}

// claimFailed waits until it makes sense to look again: the Lease has changed,
// as after a lost race, or a RetryPeriod has passed and it can be read.
func (e *Elector) claimFailed(ctx context.Context, changed <-chan struct{}, err error) {
	if errors.Is(err, errLostRace) {
		e.logger.DebugContext(ctx, "lost the race for the Lease", "err", err)
	} else {
		e.failing = true
		e.troubled(ctx, "cannot claim the Lease", err)
	}
	if awaitChange(ctx, changed, jitter(e.config.RetryPeriod)) || ctx.Err() != nil {
		return
	}
	for ctx.Err() == nil {
		if _, err := e.leases.read(ctx); err == nil {
			return
		} else if ctx.Err() == nil {
			e.troubled(ctx, "cannot read the Lease", err)
		}
		sleep(ctx, jitter(e.config.RetryPeriod))
	}
}

// yield is how long the Lease is still left to others after a StepDown: until
// one of them has it, or none seems to be there.
func (e *Elector) yield(obs observation) time.Duration {
	if e.yielding == nil {
		return 0
	}
	left := yieldPeriods*e.config.RetryPeriod - now().standbySince(*e.yielding)
	if left <= 0 || obs.guard > 0 && obs.lease != nil {
		e.yielding = nil
		return 0
	}
	return left
}

// awaitChange waits until changed is closed, which it reports, or d has passed
// (for ever if negative), or ctx has ended.
func awaitChange(ctx context.Context, changed <-chan struct{}, d time.Duration) bool {
	var timeout <-chan time.Time
	if d >= 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		timeout = timer.C
	}
	select {
	case <-changed:
		return true
	case <-timeout:
	case <-ctx.Done():
	}
	return false
}

// waitFor reports whether the group's goroutines end within d.
func waitFor(group *sync.WaitGroup, d time.Duration) bool {
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
