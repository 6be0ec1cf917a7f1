// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"context"
	"errors"
	"time"
)

// yieldPeriods is for how many RetryPeriods after a StepDown the Lease is left
// to other candidates. client-go's look at it every 1 to 2.2 RetryPeriods.
const yieldPeriods = 3

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
			e.troubled(ctx, cannotRead, err)
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
	if err := e.contest.judge(err, time.Duration(e.rival.Load())); errors.Is(err, errLostRace) {
		e.worked(ctx, cannotClaim)
		e.logger.DebugContext(ctx, "lost the race for the Lease", "err", err)
	} else {
		e.troubled(ctx, cannotClaim, err)
	}
	if awaitChange(ctx, changed, jitter(e.config.RetryPeriod)) || ctx.Err() != nil {
		return
	}
	for ctx.Err() == nil {
		if _, err := e.leases.read(ctx); err == nil {
			return
		} else if ctx.Err() == nil {
			e.troubled(ctx, cannotRead, err)
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
