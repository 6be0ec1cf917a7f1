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

// never is the time until something that only news can bring.
const never = time.Duration(-1)

// tries is what a candidate remembers of its requests. Only Start's goroutine uses it.
type tries struct {
	requests pace // after requests that failed
	terms    pace // after terms that ended too soon
	confirms pace // of reads before claims that did not come to a claim

	claimed   moment          // when the last claim was decided on
	looked    moment          // when the last read that was answered was sent
	deaf      bool            // the read after that got no answer
	polls     int             // such reads in place of a watch, since the watch was last healthy
	interval  time.Duration   // from one poll to the next
	idle      int             // factor for the time until the next look at a holder that shows nothing
	rhythm    rhythm          // of the holder's renewals
	races     races           // for a free Lease
	vain      bool            // the last claim failed, and not in a race
	unclaimed <-chan struct{} // a claim has failed on what was known until this is closed
	unread    <-chan struct{} // a read was refused while that was known
}

func newTries(c Config) tries {
	apart := c.betweenTerms()
	return tries{
		requests: pace{first: firstPause, factor: 2, forget: c.slow()},
		terms:    pace{free: 1, first: apart / 30, factor: 30, forget: c.slow()},
		confirms: pace{free: 3, first: firstPause, factor: 2, forget: c.slow()},
		looked:   now(),
		interval: c.pollInterval(0),
		idle:     1,
	}
}

// standby waits until the Lease can be claimed, and returns it as it is then
// with the channel that is closed when it is seen to change. It returns false
// when ctx has ended.
func (e *Elector) standby(ctx context.Context) (observation, <-chan struct{}, bool) {
	for ctx.Err() == nil {
		obs, changed := e.view.get()
		watch := e.watcher.state()
		e.tries.rhythm.saw(obs, watch.trusted)
		e.tries.races.seen(obs, changed)
		m := now()
		claim := e.claimIn(obs, m)
		if claim == 0 && !obs.ours && obs.guard == 0 {
			claim = e.tries.races.in(changed, now())
		}
		switch look := e.lookIn(obs, watch, now()); {
		case claim == 0:
			if !e.mustConfirm(obs, changed) || e.look(ctx, changed, watch) {
				e.tries.claimed = now()
				return obs, changed, true
			}
			// Somebody may edit the lapsed Lease all the time, which is news again and again. Reads that
			// fail are paced as requests.
			if !e.tries.deaf {
				e.tries.confirms.ended(m, e.config.steadyPoll(), 0)
			}
		case look == 0:
			e.look(ctx, changed, watch)
		default:
			awaitAny(ctx, sooner(claim, look), changed, watch.turned)
		}
	}
	return observation{}, nil, false
}

// claimIn returns how long the Lease must not be claimed yet.
func (e *Elector) claimIn(obs observation, m moment) time.Duration {
	if !obs.known {
		return never
	}
	wait := max(obs.claimableIn(m), e.yield(obs), e.tries.requests.in(m), e.tries.terms.in(m))
	if obs.guard > 0 { // a Lease that was released needs no read
		wait = max(wait, e.tries.confirms.in(m))
	}
	return wait
}

// mustConfirm reports whether a claim must be preceded by a read: of a Lease that has lapsed, since
// the watch may have died silently or this process may have been stopped for a while, and after a
// claim that failed for no visible reason. Where reading is refused a claim, which is a
// compare-and-swap, shows as much.
func (e *Elector) mustConfirm(obs observation, changed <-chan struct{}) bool {
	return (obs.guard > 0 || e.tries.unclaimed == changed) && e.tries.unread != changed
}

// lookIn returns when the Lease must be read: while it is not known, while it cannot be watched, and
// when its holder should have renewed it but the watch shows nothing.
func (e *Elector) lookIn(obs observation, watch watchState, m moment) time.Duration {
	t := &e.tries
	due := m.mono
	switch {
	case !obs.known:
	case watch.trusted && watch.blind: // it tells of a Lease at once, if there is one
		due = watch.last.mono + firstPause
	case !watch.trusted:
		due = max(t.looked.mono, watch.since.mono) + t.interval
	case holder(obs.lease) != "" && !obs.ours:
		if watch.last.mono >= t.looked.mono {
			t.idle = 1
		}
		due = max(t.looked.mono, watch.last.mono) + time.Duration(t.idle)*t.rhythm.patience(e.config.RetryPeriod)
	default:
		return never
	}
	return max(0, due-m.mono, t.requests.in(m))
}

// look reads the Lease, and reports whether that brought no news. It ends early when other news
// arrives.
func (e *Elector) look(ctx context.Context, changed <-chan struct{}, watch watchState) bool {
	began, t := now(), &e.tries
	until, cancel := untilClosed(ctx, changed)
	defer cancel()
	news, err := e.leases.read(until)
	e.watcher.allow()
	switch {
	case err == nil:
		if t.deaf {
			e.watcher.again()
		}
		if began.mono-t.looked.mono >= e.config.slow() {
			t.polls = 0
		}
		if !watch.trusted {
			t.polls++
		}
		t.deaf, t.looked, t.interval, t.idle = false, began, e.config.pollInterval(t.polls), min(2*t.idle, 64)
		e.watcher.followed(watch)
		if news {
			e.watcher.expect(e.watcher.newest())
		}
		return !news
	case until.Err() == nil:
		t.deaf = true
		e.troubled(ctx, cannotRead, err)
		t.requests.ended(began, e.limit(err, e.config.steadyPoll()), retryAfter(err))
		if refused(err) {
			t.unread = changed
		}
	}
	return false
}

// limit returns how long the pauses between requests that fail with err can become.
func (e *Elector) limit(err error, otherwise time.Duration) time.Duration {
	switch {
	case refused(err):
		return e.config.slow()
	case unreached(err):
		return min(otherwise, e.config.RetryPeriod/2)
	}
	return otherwise
}

// claimFailed takes in that the claim of what was known until changed has failed. If another candidate
// is seen to have won it was a lost race. After everything else the next claim waits, and is preceded by
// a read.
func (e *Elector) claimFailed(ctx context.Context, changed <-chan struct{}, err error) {
	t := &e.tries
	race := errors.Is(err, errLostRace)
	if race && e.watcher.state().trusted {
		awaitAny(ctx, e.config.RetryPeriod/2, changed, nil) // for the winner
	}
	rival := time.Duration(e.rival.Load())
	if judged := e.contest.judge(err, rival); errors.Is(judged, errLostRace) {
		e.worked(ctx, cannotClaim)
		e.logger.DebugContext(ctx, "lost the race for the Lease", "err", err)
	} else {
		e.troubled(ctx, cannotClaim, judged)
	}
	if race && rival > t.claimed.mono {
		t.races.lose()
		t.vain = false
		return
	}
	t.vain, t.unclaimed, t.unread = true, changed, nil
	t.requests.ended(t.claimed, e.limit(err, 2*e.config.steadyPoll()), retryAfter(err))
}

// yield returns how long the Lease is still left to others after a StepDown. It ends when one of
// them has it, or when none seems to be there.
func (e *Elector) yield(obs observation) time.Duration {
	if e.yielding == nil {
		return 0
	}
	m := now()
	since := m.standbySince(*e.yielding)
	ours := obs.ours || obs.restored
	if ours { // a Lease that was not released must lapse for the others first
		since = min(since, m.standbySince(obs.changed)-e.config.LeaseDuration)
	}
	left := yieldPeriods*e.config.RetryPeriod - since
	taken := !ours && obs.guard > 0 && obs.lease != nil && obs.changed.mono > e.yielding.mono
	if left <= 0 || taken {
		e.yielding = nil
		return 0
	}
	return left
}
