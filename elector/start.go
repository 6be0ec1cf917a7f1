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
// and returns nil. It returns ErrDrainTimeout when the leader's work does not
// stop, and passes a panic of OnStartedLeading on. Losing the leadership, or
// the API server, never ends it. What it has started has ended when it returns,
// except for callbacks that do not return. It can be called once.
func (e *Elector) Start(ctx context.Context) (err error) {
	if !e.started.CompareAndSwap(false, true) {
		return fmt.Errorf("elector: %w", ErrAlreadyStarted)
	}

	e.rival.Store(int64(now().mono))
	e.contact.Store(int64(now().mono))
	// The helpers outlive ctx: the Lease is watched while a term ends.
	helpers, cancel := context.WithCancel(klog.NewContext(context.WithoutCancel(ctx), e.clientLogger))
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
		e.worked(ctx, cannotClaim)
		e.metrics().acquired(base)
		if err := e.lead(ctx, c, t); err != nil {
			return fmt.Errorf("elector: %w", err)
		}
	}
}
