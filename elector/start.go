// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"k8s.io/klog/v2"
)

// Start stands by, leads when it wins, and stands by again when a term has
// ended, until ctx is cancelled; then it ends the term there may be, in order,
// and returns nil. Losing the leadership, or the API server, never ends it.
//
// It returns [ErrDrainTimeout] when the leader's work does not stop, also when
// the term was lost: the process must exit then. It returns [ErrOnNewLeaderHung]
// or [ErrRequestHung] when one of those goes on, and passes a panic of a callback
// on, as an error that wraps the value that was thrown, if that is an error.
//
// After the end of ctx it returns within DrainTimeout and one short attempt more
// (half of RenewDeadline, 1s at most), whatever the callbacks, the API server and
// the network do. What it has started has ended when it returns, except for what
// its error names. It can be called once.
func (e *Elector) Start(ctx context.Context) (err error) {
	if !e.started.CompareAndSwap(false, true) {
		return fmt.Errorf("elector: %w", ErrAlreadyStarted)
	}

	defer e.usage.end()
	defer context.AfterFunc(ctx, e.noteStop)()
	e.rival.Store(int64(now().mono))
	e.contact.Store(int64(now().mono))
	// The helpers outlive ctx: the Lease is watched while a term ends.
	helpers, cancel := context.WithCancel(e.usage.in(klog.NewContext(context.WithoutCancel(ctx), e.clientLogger)))
	var announcing, watching sync.WaitGroup
	announcing.Go(func() { e.announcer.run(helpers) })
	if e.watcher != nil {
		watching.Go(func() { e.watcher.run(helpers) })
	}
	returned := false
	defer func() {
		cancel()
		if !returned {
			e.health.set(errPanicked)
			return // nothing is worth waiting for: the process is about to end
		}
		if !errors.Is(err, ErrDrainTimeout) { // then nothing may be waited for
			err = errors.Join(err, e.finish(&announcing, &watching))
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
	if err := e.showStatus(); err != nil {
		return err
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
		e.worked(ctx, cannotClaim)
		e.metrics().acquired(base)
		began := now()
		if err := e.lead(ctx, c, t); err != nil {
			return fmt.Errorf("elector: %w", err)
		}
		if !voluntary(context.Cause(t.ctx)) {
			e.tries.terms.ended(began, e.config.slow(), 0)
		}
	}
}
