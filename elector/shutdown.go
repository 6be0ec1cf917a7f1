// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/kube-elector/elector/elector/internal/lease"
	"github.com/kube-elector/elector/elector/internal/wait"
)

// lastWait is how long the end of what has been cancelled is waited for when there is no time left.
const lastWait = 100 * time.Millisecond

// noteStop keeps when Start's context ended.
func (e *Elector) noteStop() {
	m := lease.Now()
	e.stopped.CompareAndSwap(nil, &m)
}

// stopLeft returns how much of DrainTimeout is left after the end of Start's context, which it takes to have ended.
func (e *Elector) stopLeft() time.Duration {
	e.noteStop() // in case that nobody has come to it yet
	return max(0, e.config.DrainTimeout-lease.Now().StandbySince(*e.stopped.Load()))
}

// overtime returns how long the last tries may still take after the end of Start's context. They have until
// DrainTimeout, and one short attempt in all after that.
func (e *Elector) overtime() time.Duration {
	e.noteStop()
	return max(lastWait, e.config.DrainTimeout+e.config.shortAttempt()-lease.Now().StandbySince(*e.stopped.Load()))
}

// endStepDowns answers calls of StepDown when Start ends with err.
func (e *Elector) endStepDowns(err error) {
	held := e.config.Enabled && (e.term.Load() != nil || e.mayHold())
	if held {
		err = fmt.Errorf("%w: the Elector has ended", errors.Join(ErrNotReleased, err))
	}
	e.stepDowns.end(held, err)
}

// finish waits for the helpers, which have been cancelled, and for requests that were given up.
func (e *Elector) finish(announcing, watching *sync.WaitGroup) error {
	var faults []error
	if !wait.For(watching, max(e.stopLeft(), lastWait)) {
		faults = append(faults, errors.New("elector: the watch of the Lease does not end"))
	}
	if e.leases != nil {
		if err := e.leases.Close(lastWait, ErrStopped); err != nil {
			faults = append(faults, fmt.Errorf("elector: %w", err))
		}
	}
	if !wait.For(announcing, max(e.stopLeft(), lastWait)) {
		faults = append(faults, fmt.Errorf("elector: %w", ErrOnNewLeaderHung))
	}
	return errors.Join(faults...)
}
