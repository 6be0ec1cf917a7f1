// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"context"
	"errors"
	"fmt"
)

// StepDown ends the current term: its work is stopped and awaited, the Lease
// released, and left to another candidate for a while (three RetryPeriods, or
// until one has it) before this replica stands by as before. It returns nil when
// the Lease has been released, or at once when not leading; ErrNotReleased if
// the term has ended but the Lease must lapse; or an error with the cause of
// ctx if that ends first, the stepping down going on. It releases whatever
// ReleaseOnCancel says.
//
// It may be called concurrently; all calls wait for the same end. Called from
// the leader's work it would wait for itself: give it the term's own context
// there, and it returns at once, with an error that is ErrSteppedDown.
//
// It is an error if the election is not Enabled, as nobody else could lead.
func (e *Elector) StepDown(ctx context.Context) error {
	if !e.config.Enabled {
		return fmt.Errorf("elector: StepDown: the election is not Enabled: %w", errors.ErrUnsupported)
	}
	t := e.term.Load()
	if t == nil {
		return nil
	}
	t.stepDownOnce.Do(func() { close(t.stepDown) })
	select {
	case <-t.over:
		if t.overErr != nil {
			return fmt.Errorf("elector: StepDown: %w", t.overErr)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("elector: StepDown: still stopping the leader's work: %w", context.Cause(ctx))
	}
}
