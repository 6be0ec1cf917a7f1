// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package shards

import (
	"context"
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"

	"github.com/kube-elector/elector/elector"
)

const (
	// settle is how long a replica whose session is new waits before it claims
	// shards, so that others that start with it get their share at once.
	settle = 100 * time.Millisecond
	// maxClaims and maxReleases limit how many of these requests are under way, in a
	// set of few shards.
	maxClaims   = 8
	maxReleases = 2
)

// keeper looks after the shards of one session: it claims those that this replica
// should have, runs their work and gives them back. All of it is on one goroutine
// that waits for nothing but news; requests and callbacks have goroutines of their
// own, which report by way of do.
type keeper struct {
	s      *Shards
	outer  context.Context // Start's: its end is the wish to leave
	ctx    context.Context // the session's term
	term   elector.Term
	finish func(error) // ends the session
	group  sync.WaitGroup

	mu    sync.Mutex // guards inbox
	inbox []func()
	news  chan struct{} // holds one: there is something in inbox

	began    time.Time
	me       session
	arrived  time.Time // zero until the session was seen
	clear    bool      // no replicas with another count are left
	leaving  time.Time // zero until this replica leaves
	holdings map[int]*holding
	refused  map[int]refusal
	short    map[int]refusal // shards whose terms are lost again and again, soon after their claim
	pace     pace
	looks    map[session]time.Time // when to confirm a session again
	quiet    time.Time             // no requests until then: they fail
	failing  bool                  // the last request failed for another reason than a race
	asserted time.Time             // when others were told that it can claim
	tried    time.Time             // when it found out whether it can
	told     time.Time             // when a line said how many shards are held
	claims   int                   // under way
	releases int                   // under way
}

// refusal is a shard about which a request is under way, or was refused.
type refusal struct {
	version string    // of the Lease that it was about
	until   time.Time // zero while it is under way
	pause   time.Duration
}

// do lets the keeper's goroutine call f.
func (k *keeper) do(f func()) {
	k.mu.Lock()
	k.inbox = append(k.inbox, f)
	k.mu.Unlock()
	select {
	case k.news <- struct{}{}:
	default:
	}
}

// async runs a request in a goroutine, and then done on the keeper's.
func (k *keeper) async(request func(ctx context.Context) error, done func(error)) {
	k.group.Go(func() {
		err := request(k.ctx)
		k.do(func() { done(err) })
	})
}

// run returns when the session's term has ended and all work with it.
func (k *keeper) run() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	left := k.outer.Done()
	for k.ctx.Err() == nil {
		select {
		case <-k.ctx.Done():
		case <-left:
			left = nil
			k.leave()
		case <-k.news:
		case <-k.s.view.changed:
		case <-timer.C:
		}
		k.work()
		if k.ctx.Err() == nil {
			timer.Reset(k.step())
		}
	}
	for k.working() { // the contexts have ended; the Elector limits how long this may take
		d := decision{next: k.s.config.LeaseDuration}
		k.outlasted(time.Now(), &d)
		timer.Reset(d.next)
		select {
		case <-k.news:
		case <-timer.C:
		}
		k.work()
	}
	k.s.view.sessionEnded(k.me)
}

// working reports whether the work of any shard has not ended.
func (k *keeper) working() bool {
	for _, h := range k.holdings {
		if !h.stopped {
			return true
		}
	}
	return false
}

// runAlone runs all shards, where no election is Enabled.
func (k *keeper) runAlone() {
	for i := range k.s.n {
		k.hold(claim{shard: i, cause: causeNew}, nil)
	}
	left := k.outer.Done()
	for k.working() {
		select {
		case <-left:
			left = nil
			k.abandon(elector.ErrStopped)
		case <-k.news:
		}
		k.work()
	}
}

// work calls what came in.
func (k *keeper) work() {
	k.mu.Lock()
	calls := k.inbox
	k.inbox = nil
	k.mu.Unlock()
	for _, call := range calls {
		call()
	}
}

// step does what is due, and returns when it must run again if nothing happens.
func (k *keeper) step() time.Duration {
	now := time.Now()
	d := decision{next: k.s.config.RetryPeriod}
	if left := k.sightLeft(now); left <= 0 {
		k.abandon(ErrBlind)
		return d.next
	} else if d.after(left); k.ready(now, &d) {
		k.act(now, &d)
	}
	return d.next
}

// sightLeft returns how much longer this replica may go on without news of the set.
func (k *keeper) sightLeft(now time.Time) time.Duration {
	at, _ := k.s.view.lastSighted()
	return k.s.config.RenewDeadline - now.Sub(later(at, k.began))
}

// act does what decide says.
func (k *keeper) act(now time.Time, d *decision) {
	k.sight()
	todo := k.s.view.decide(k.self(), now)
	for _, i := range todo.lost {
		k.holdings[i].lose(elector.ErrTakenOver)
	}
	for _, i := range todo.vanish {
		k.look(k.holdings[i], now, d)
	}
	for _, s := range todo.confirm {
		k.confirm(s, now, d)
	}
	for _, c := range todo.claim {
		k.claim(c, now, d)
	}
	for _, i := range todo.tidy {
		k.tidy(i, now, d)
	}
	if len(todo.owed) > 0 {
		k.assert(todo.owed[0], now)
	}
	k.give(todo.give, now, d)
	k.release(now, d)
	k.stuck(now, d)
	if todo.next > 0 {
		d.after(todo.next)
	}
	for _, r := range k.refused {
		if wait := r.until.Sub(now); wait > 0 {
			d.after(wait)
		}
	}
	if !k.leaving.IsZero() && len(k.holdings) == 0 && k.claims+k.releases == 0 {
		k.finish(elector.ErrStopped)
	}
	k.report(len(todo.claim)+len(todo.give)+k.claims+k.releases == 0, now)
}

func (k *keeper) self() self {
	return self{
		session: k.me, arrived: k.arrived, settle: settle, rest: attempt(k.s.config) + 2*k.s.config.RetryPeriod, leaving: !k.leaving.IsZero(),
		claimed: func(i int) *coordinationv1.Lease { return k.holdings[i].lease },
		grasp:   k.grasp,
	}
}

func (k *keeper) grasp(i int, seen *coordinationv1.Lease) grasp {
	if h := k.holdings[i]; h != nil {
		switch {
		case h.ending.IsZero():
			return active
		case h.stopped, h.lost:
			return asking
		}
		return ending
	}
	if r, ok := k.refused[i]; ok && (r.until.IsZero() || r.version == version(seen) && time.Now().Before(r.until)) {
		return asking
	}
	return apart
}

func version(lease *coordinationv1.Lease) string {
	if lease == nil {
		return ""
	}
	return lease.ResourceVersion
}

// report logs how many shards are held when what was to be done is done, at most once
// in a RetryPeriod.
func (k *keeper) report(done bool, now time.Time) {
	if done && now.Sub(k.told) >= k.s.config.RetryPeriod && k.s.report() {
		k.told = now
	}
}
