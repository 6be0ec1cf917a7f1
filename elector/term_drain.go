// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"context"
	"fmt"
	"time"

	"github.com/kube-elector/elector/elector/internal/lease"
)

// slowWork is after how long work that outlasts its context is logged.
const slowWork = time.Second

// drain waits for the work to end and, in a voluntary end, for open holds. Meanwhile the Lease goes on being renewed,
// unless it has been lost. Released or left to lapse while the work is still running, it would give us two leaders.
// Once it has been lost the wait must be over before another can lead.
func (e *Elector) drain(c *campaign, t *term, w *work) error {
	timer := time.NewTimer(slowWork)
	defer timer.Stop()
	warn := true               // if the work is slow
	var unheld <-chan struct{} // set when the work has returned
	for done, lost := w.done, t.lost; ; {
		_, wake := e.drainLeft(t, lease.Now(), warn)
		timer.Reset(wake)
		select {
		case <-done:
			if err := w.outcome(); err != nil {
				return err
			}
			t.retire()
			done, unheld, warn = nil, t.unheld(), false
			if lost == nil {
				return nil // the holds of a lost term just end
			}
			continue
		case <-unheld:
			return nil
		case <-lost:
			lost = nil
			c.halt()
			if done == nil {
				return nil
			}
			continue
		case <-timer.C:
		}
		m := lease.Now()
		left, _ := e.drainLeft(t, m, warn)
		switch ended, _ := t.ends(); {
		case left == 0 && !isClosed(done):
			return drainError(t, w, done != nil, m.StandbySince(ended))
		case warn && m.StandbySince(ended) >= slowWork:
			warn = false
			e.logger.WarnContext(t.ctx, "the leader's work is still running after its context has ended",
				"callback", w.callback(), "after", slowWork, "cause", context.Cause(t.ctx), "waitingFor", left.Round(time.Millisecond))
		}
	}
}

// drainLeft returns how long the end of the term may still take, and when to look at that again. A timer alone does not
// suffice, since it stands still while the machine is suspended.
func (e *Elector) drainLeft(t *term, m lease.Moment, warn bool) (left, wake time.Duration) {
	ended, lost := t.ends()
	past := m.StandbySince(ended)
	left = e.config.DrainTimeout - past
	if lost != nil && t.renewDeadline > 0 {
		left = min(left, e.config.LeaseDuration-e.config.RenewDeadline-m.LeaderSince(*lost))
	}
	left = max(0, left)
	wake = left
	if lost != nil {
		wake = min(wake, e.config.tick())
	}
	if warn {
		wake = min(wake, max(0, slowWork-past))
	}
	return left, wake
}

// drainError says what has not ended a while after the term's context.
func drainError(t *term, w *work, working bool, past time.Duration) error {
	if working {
		return fmt.Errorf("%w: %s is still running %v after its context ended (%w)",
			ErrDrainTimeout, w.callback(), past.Round(time.Millisecond), context.Cause(t.ctx))
	}
	return fmt.Errorf("%w: %d of Term.Hold still open %v after the term's context ended (%w)",
		ErrDrainTimeout, t.openHolds(), past.Round(time.Millisecond), context.Cause(t.ctx))
}

// isClosed reports whether the channel is closed. A nil channel never is.
func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
