// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"k8s.io/klog/v2"

	"github.com/kube-elector/elector/elector/internal/lease"
)

// Start stands by, leads when it wins, and stands by again when a term has ended, until ctx is cancelled; then it ends
// the term there may be, in order, and returns nil. Losing the leadership, or the API server, never ends it.
//
// It returns [ErrDrainTimeout] when the leader's work does not stop, also when the term was lost: the process must exit
// then. It returns [ErrOnNewLeaderHung] or [ErrRequestHung] when one of those goes on. It returns [ErrNotReleased] if
// ReleaseOnCancel is set but the Lease is still, or may be, in this replica's name. It passes a panic of a callback on,
// as an error that wraps the value that was thrown, if that is an error. One in OnNewLeader is passed on after an end
// in order.
//
// After the end of ctx it returns within DrainTimeout and a second more, whatever the callbacks, the API server and the
// network do. Until DrainTimeout, and for one short attempt at least, it tries to release the Lease. What it has
// started has ended when it returns, except for what its error names. It can be called once.
func (e *Elector) Start(ctx context.Context) (err error) {
	if !e.started.CompareAndSwap(false, true) {
		return fmt.Errorf("elector: %w", ErrAlreadyStarted)
	}

	defer e.usage.End()
	ctx, stop := context.WithCancel(ctx) // ends with OnNewLeader, too, if that breaks
	defer stop()
	defer context.AfterFunc(ctx, e.noteStop)()
	e.rival.Store(int64(lease.Now().Mono))
	e.contact.Store(int64(lease.Now().Mono))
	// The helpers outlive ctx: the Lease is watched while a term ends.
	helpers, cancel := context.WithCancel(e.usage.In(klog.NewContext(context.WithoutCancel(ctx), e.clientLogger)))
	var announcing, watching sync.WaitGroup
	announcing.Go(func() { e.announcer.run(helpers, stop) })
	if e.watcher != nil {
		watching.Go(func() { e.watcher.Run(helpers) })
	}
	if e.crash != nil {
		watching.Go(func() { e.crash.watcher.run(helpers) })
	}
	returned := false
	defer func() {
		cancel()
		e.endStepDowns(err)
		if !returned {
			e.health.set(errPanicked)
			return // nothing is worth waiting for: the process is about to end
		}
		if !errors.Is(err, ErrDrainTimeout) { // then nothing may be waited for
			err = errors.Join(err, e.finish(&announcing, &watching))
		}
		failure := e.announcer.failure()
		err = errors.Join(err, failure)
		e.health.set(err)
		if p := (*panicError)(nil); errors.As(failure, &p) {
			e.health.set(errPanicked)
			panic(p)
		}
	}()
	err = e.run(ctx)
	returned = true
	return err
}

// run takes a candidate through its life: standby, campaign, term, standby.
func (e *Elector) run(ctx context.Context) error {
	if !e.config.Enabled {
		t := newTerm(ctx, Term{Identity: e.config.Identity, AcquiredAt: lease.Now().Wall}, "", 0, lease.Now())
		e.term.Store(t)
		e.announce()
		return e.lead(ctx, ctx, nil, t)
	}
	if err := e.showStatus(); err != nil {
		return err
	}
	e.crash.signature(ctx) // to say at once why there is none
	for {
		// Ends when StepDown is called, too.
		waiting := e.stepDowns.begin(ctx)
		base, changed, ok := e.standby(waiting)
		if !ok {
			err := e.relinquish(ctx, nil, lease.Now())
			e.stepDowns.holds(e.mayHold())
			if ctx.Err() != nil {
				return e.notReleased(ctx, err)
			}
			continue
		}
		e.stepDowns.holds(true)
		t, c, err := e.claim(ctx, base)
		switch {
		case c == nil:
			return err
		case t == nil:
			e.stepDowns.holds(e.mayHold())
			e.claimFailed(waiting, changed, err)
			continue
		}
		e.worked(ctx, cannotClaim)
		e.tries.races.win()
		e.tries.vain = false
		e.metrics().acquired(base)
		began := lease.Now()
		if err := e.lead(ctx, waiting, c, t); err != nil {
			return fmt.Errorf("elector: %w", err)
		}
		if ctx.Err() != nil {
			return nil
		}
		e.stepDowns.holds(e.mayHold())
		if !voluntary(context.Cause(t.ctx)) {
			e.tries.terms.Ended(began, e.config.betweenTerms(), 0)
		}
	}
}

// mayHold reports whether the Lease is in our name between terms, or may be.
func (e *Elector) mayHold() bool {
	obs, _ := e.view.Get()
	return obs.LapsesIn(lease.Now(), e.config.LeaseDuration) > 0 || e.doubt.lastsFor(obs, lease.Now(), e.config.LeaseDuration) > 0
}

// notReleased returns the error of Start for a release that failed.
func (e *Elector) notReleased(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case e.config.ReleaseOnCancel:
		return fmt.Errorf("elector: %w", err)
	}
	e.logger.WarnContext(ctx, "a claim whose work never ran was not released", "err", err)
	return nil
}
