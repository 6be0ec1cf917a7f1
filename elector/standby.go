// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"context"
	"errors"
	"time"

	"github.com/kube-elector/elector/elector/internal/lease"
	"github.com/kube-elector/elector/elector/internal/wait"
)

// yieldPeriods is for how many RetryPeriods after a StepDown the Lease is left to other candidates. client-go's look at
// it every 1 to 2.2 RetryPeriods.
const yieldPeriods = 3

// never is the time until something that only news can bring.
const never = time.Duration(-1)

// tries is what a candidate remembers of its requests. Only Start's goroutine uses it.
type tries struct {
	requests lease.Pace // after requests that failed
	terms    lease.Pace // after terms that ended too soon
	confirms lease.Pace // of reads before claims that did not come to a claim

	claimed   lease.Moment    // when the last claim was decided on
	looked    lease.Moment    // when the last read that was answered was sent
	deaf      bool            // the read after that got no answer
	vain      bool            // the last claim failed, and not in a race
	polls     int             // such reads in place of a watch, since the watch was last healthy
	interval  time.Duration   // from one poll to the next
	idle      int             // factor for the time until the next look at a holder that shows nothing
	rhythm    rhythm          // of the holder's renewals
	races     races           // for a free Lease
	unclaimed <-chan struct{} // a claim has failed on what was known until this is closed
	unread    <-chan struct{} // a read was refused while that was known
}

func newTries(c Config) tries {
	apart := c.betweenTerms()
	return tries{
		requests: lease.Pace{First: lease.FirstPause, Factor: 2, Forget: c.slow()},
		terms:    lease.Pace{Free: 1, First: apart / 30, Factor: 30, Forget: c.slow()},
		confirms: lease.Pace{Free: 3, First: lease.FirstPause, Factor: 2, Forget: c.slow()},
		looked:   lease.Now(),
		interval: c.pollInterval(0, false),
		idle:     1,
	}
}

// standby waits until the Lease can be claimed, and returns it as it is then with the channel that is closed when it is
// seen to change. It returns false when ctx has ended.
func (e *Elector) standby(ctx context.Context) (lease.Observation, <-chan struct{}, bool) {
	for ctx.Err() == nil {
		obs, changed := e.view.Get()
		watch := e.watcher.State()
		e.tries.rhythm.saw(obs, watch.Trusted, e.tries.interval)
		e.tries.races.seen(obs, changed)
		m := lease.Now()
		claim := e.claimIn(obs, m)
		if claim == 0 && !obs.Ours && (obs.Validity == 0 || obs.Ending != nil) {
			claim = e.tries.races.in(changed, lease.Now())
		}
		silent := e.silentIn(obs, watch)
		if silent == 0 {
			e.crash.holderSilent(obs)
			silent = never
		}
		switch look := e.lookIn(obs, watch, lease.Now()); {
		case claim == 0:
			if !e.mustConfirm(obs, changed) || e.look(ctx, changed, watch) && e.free() {
				e.tries.claimed = lease.Now()
				return obs, changed, true
			}
			// Somebody may edit the lapsed Lease all the time, which is news again and again. Reads that fail are paced as
			// requests.
			if !e.tries.deaf {
				e.tries.confirms.Ended(m, e.config.steadyPoll(), 0)
			}
		case look == 0:
			e.look(ctx, changed, watch)
		default:
			wait.Any(ctx, wait.Sooner(wait.Sooner(claim, look), silent), changed, watch.Turned)
		}
	}
	return lease.Observation{}, nil, false
}

// free reports whether the Lease may be claimed as far as is known.
func (e *Elector) free() bool {
	obs, _ := e.view.Get()
	return obs.ClaimableIn(lease.Now()) == 0
}

// silentIn returns when nothing of a holder will have been seen for so long that it may be dead. That matters to crash
// detection only. The watch may live, and show nothing but bookmarks.
func (e *Elector) silentIn(obs lease.Observation, watch lease.WatchState) time.Duration {
	if e.crash == nil || obs.Ours || obs.Holder() == "" {
		return never
	}
	silence := e.tries.rhythm.patience(e.config.RetryPeriod)
	if !watch.Trusted {
		silence += e.tries.interval // what was written since the last poll is seen by the next
	}
	return max(0, silence-lease.Now().StandbySince(obs.Changed))
}

// claimIn returns how long the Lease must not be claimed yet.
func (e *Elector) claimIn(obs lease.Observation, m lease.Moment) time.Duration {
	if !obs.Known {
		return never
	}
	wait := max(obs.ClaimableIn(m), e.yield(obs), e.tries.requests.In(m), e.tries.terms.In(m))
	if obs.Validity > 0 && obs.Ending == nil { // or no read is needed
		wait = max(wait, e.tries.confirms.In(m))
	}
	return wait
}

// mustConfirm reports whether a claim must be preceded by a read: of a Lease that has lapsed, since the watch may have
// died silently or this process may have been stopped for a while, and after a claim that failed for no visible reason.
// Where reading is refused a claim, which is a compare-and-swap, shows as much. So it does if the holder of the very
// record is known to be dead.
func (e *Elector) mustConfirm(obs lease.Observation, changed <-chan struct{}) bool {
	return (obs.Validity > 0 && obs.Ending == nil || e.tries.unclaimed == changed) && e.tries.unread != changed
}

// lookIn returns when the Lease must be read: while it is not known, while it cannot be watched, and when the watch
// shows nothing although a holder should have renewed it, or while the time of a former one must pass.
func (e *Elector) lookIn(obs lease.Observation, watch lease.WatchState, m lease.Moment) time.Duration {
	t := &e.tries
	due := m.Mono
	switch {
	case !obs.Known:
	case watch.Trusted && watch.Blind: // it tells of a Lease at once, if there is one
		due = watch.Last.Mono + lease.FirstPause
	case !watch.Trusted:
		due = max(t.looked.Mono, watch.Since.Mono) + t.interval
	case !obs.Ours && (obs.Holder() != "" || obs.Validity > 0): // or there may be a holder that a dead watch does not show
		if watch.Last.Mono >= t.looked.Mono {
			t.idle = 1
		}
		due = max(t.looked.Mono, watch.Last.Mono) + time.Duration(t.idle)*t.rhythm.patience(e.config.RetryPeriod)
	default:
		return never
	}
	return max(0, due-m.Mono, t.requests.In(m))
}

// look reads the Lease, and reports whether that brought no news. It ends early when other news arrives.
func (e *Elector) look(ctx context.Context, changed <-chan struct{}, watch lease.WatchState) bool {
	began, t := lease.Now(), &e.tries
	until, cancel := wait.UntilClosed(ctx, changed)
	defer cancel()
	news, err := e.leases.Read(until)
	e.watcher.Allow()
	switch {
	case err == nil:
		if t.deaf {
			e.watcher.Hurry()
		}
		if began.Mono-t.looked.Mono >= e.config.slow() {
			t.polls = 0
		}
		if !watch.Trusted {
			t.polls++
		}
		t.deaf, t.looked, t.interval, t.idle = false, began, e.config.pollInterval(t.polls, t.vain), min(2*t.idle, 64)
		e.watcher.Followed(watch)
		if news {
			e.watcher.Expect(e.watcher.Newest())
		}
		return !news
	case until.Err() == nil:
		t.deaf = true
		e.troubled(ctx, cannotRead, err)
		t.requests.Ended(began, e.limit(err, e.config.steadyPoll()), lease.RetryAfter(err))
		if lease.Refused(err) {
			t.unread = changed
		}
	}
	return false
}

// limit returns how long the pauses between requests that fail with err can become.
func (e *Elector) limit(err error, otherwise time.Duration) time.Duration {
	switch {
	case lease.Refused(err):
		return e.config.slow()
	case unreached(err):
		return min(otherwise, e.config.RetryPeriod/2)
	}
	return otherwise
}

// claimFailed takes in that the claim of what was known until changed has failed. If another candidate is seen to have
// won it was a lost race. After everything else the next claim waits, and is preceded by a read.
func (e *Elector) claimFailed(ctx context.Context, changed <-chan struct{}, err error) {
	t := &e.tries
	race := errors.Is(err, errLostRace)
	if race && e.watcher.State().Trusted {
		wait.Any(ctx, e.config.RetryPeriod/2, changed, nil) // for the winner
	}
	rival := time.Duration(e.rival.Load())
	if judged := e.contest.judge(err, rival); errors.Is(judged, errLostRace) {
		e.worked(ctx, cannotClaim)
		e.logger.DebugContext(ctx, "lost the race for the Lease", "err", err)
	} else {
		e.troubled(ctx, cannotClaim, judged)
	}
	if race && rival > t.claimed.Mono {
		t.races.lose()
		t.vain = false
		return
	}
	t.vain, t.unclaimed, t.unread = true, changed, nil
	otherwise := 3 * e.config.steadyPoll()
	if race { // an unseen winner is respected as long
		otherwise = max(otherwise, min(e.config.LeaseDuration, e.config.slow()))
	}
	t.requests.Ended(t.claimed, e.limit(err, otherwise), lease.RetryAfter(err))
}

// yield returns how long the Lease is still left to others after a StepDown. It ends when one of them has it, or when
// none seems to be there.
func (e *Elector) yield(obs lease.Observation) time.Duration {
	if e.yielding == nil {
		return 0
	}
	m := lease.Now()
	since := m.StandbySince(*e.yielding)
	ours := obs.Ours || obs.Restored
	if ours { // a Lease that was not released must lapse for the others first
		since = min(since, m.StandbySince(obs.Changed)-e.config.LeaseDuration)
	}
	left := yieldPeriods*e.config.RetryPeriod - since
	taken := !ours && obs.Validity > 0 && obs.Lease != nil && obs.Changed.Mono > e.yielding.Mono
	if left <= 0 || taken {
		e.yielding = nil
		return 0
	}
	return left
}
