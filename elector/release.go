// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/leaderelection/resourcelock"

	"github.com/kube-elector/elector/elector/internal/lease"
	"github.com/kube-elector/elector/elector/internal/wait"
)

// relinquish releases the Lease when the work has ended, if StepDown or ReleaseOnCancel asks for it, and a claim whose
// work never ran in any case. t is the term that has ended; between terms it is nil, and what may be released is the
// record of a lost term, or of a claim whose reply was lost. began is when the end began. Releasing is tried until
// DrainTimeout after that, and for one short attempt at least. An error is ErrNotReleased.
func (e *Elector) relinquish(ctx context.Context, t *term, began lease.Moment) error {
	resigned := e.stepDowns.take()
	err := error(nil)
	if stopped := ctx.Err() != nil; e.config.Enabled && (resigned != nil || stopped && (e.config.ReleaseOnCancel || !e.ran)) {
		left := max(e.config.DrainTimeout-lease.Now().StandbySince(began), e.config.shortAttempt())
		if stopped {
			left = min(left, e.overtime())
		}
		err = e.release(ctx, e.releaseTime(t, left), e.ownEnd(ctx, t))
	}
	if resigned != nil {
		since := lease.Now() // not before: the release may take its time
		e.yielding = &since
		resigned.answer(err)
	}
	return err
}

// releaseTime returns how long releasing is tried: for what is left, and not for longer than the others leave the Lease
// alone.
func (e *Elector) releaseTime(t *term, left time.Duration) time.Duration {
	if t != nil {
		if held := t.held(); held > 0 {
			return min(left, held)
		}
		return min(left, e.config.shortAttempt()) // lost, and perhaps still in our name
	}
	obs, _ := e.view.Get()
	m := lease.Now()
	return min(left, max(obs.LapsesIn(m, e.config.LeaseDuration), e.doubt.lastsFor(obs, m, e.config.LeaseDuration)))
}

// release writes a blank record over one of this process, as it was last seen, within the time that is left, and how
// its term ended. Another holder's record is never touched, whatever happened since.
func (e *Elector) release(parent context.Context, left time.Duration, end LastTerm) error {
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(parent), left, errNoTimeLeft)
	defer cancel()
	var failure error
	// Also after a conflict there is a pause: what refuses this write may refuse all, and nothing else would slow the
	// tries.
	for pause := time.Duration(0); ; pause = min(max(2*pause, lease.FirstPause), e.config.RetryPeriod) {
		wait.Sleep(ctx, pause)
		obs, _ := e.view.Get()
		doubtful := e.doubt.lastsFor(obs, lease.Now(), e.config.LeaseDuration) > 0
		switch {
		case obs.Restored && obs.LapsesIn(lease.Now(), e.config.LeaseDuration) > 0:
			return fmt.Errorf("%w: the Lease was edited or restored while it was not seen, and another process may have held it since", ErrNotReleased)
		case !obs.Ours && !doubtful:
			return nil // released by a write whose reply was lost, or no longer ours
		case ctx.Err() != nil && obs.Ours && left == 0:
			return nil // it has lapsed
		case ctx.Err() != nil:
			return fmt.Errorf("%w: %w", ErrNotReleased, errors.Join(failure, context.Cause(ctx)))
		case doubtful && !obs.Ours:
			failure = errors.New("a claim without an answer may still be carried out")
		default:
			if failure = e.writeBlank(ctx, obs, end); failure == nil {
				return nil
			}
		}
		if ctx.Err() != nil {
			continue // a read that ignores its context would only take time
		}
		if _, err := e.leases.Read(ctx); err != nil {
			failure = errors.Join(failure, err)
		} else if e.doubt.answered(lease.Now()) {
			e.doubt = nil
		}
	}
}

// errNoTimeLeft is the cause of the end of a release that was tried in vain.
var errNoTimeLeft = errors.New("no time is left to release the Lease")

func (e *Elector) writeBlank(ctx context.Context, obs lease.Observation, end LastTerm) error {
	end.Token = cmp.Or(end.Token, ReadLease(obs.Lease).Token)
	t := metav1.Time{Time: lease.Now().Wall}
	record := resourcelock.LeaseSpecToLeaderElectionRecord(&obs.Lease.Spec)
	// One second, as client-go writes it: the API server wants a duration.
	_, _, err := e.leases.Write(ctx, obs.Lease, resourcelock.LeaderElectionRecord{
		LeaseDurationSeconds: 1, AcquireTime: t, RenewTime: t, LeaderTransitions: record.LeaderTransitions,
	}, marks{last: &end}.put)
	if err != nil {
		return fmt.Errorf("release the Lease: %w", err)
	}
	return nil
}
