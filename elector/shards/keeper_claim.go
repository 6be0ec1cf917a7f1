// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package shards

import (
	"context"
	"errors"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"

	"github.com/kube-elector/elector/elector"
	"github.com/kube-elector/elector/elector/internal/lease"
)

// claim claims a shard and begins its work.
func (k *keeper) claim(c claim, now time.Time, d *decision) {
	if wait := k.short[c.shard].until.Sub(now); wait > 0 {
		d.after(wait)
		return
	}
	if !k.may(now, &k.claims, maxClaims+k.s.n/128, d) {
		return
	}
	k.ask(c.shard, c.base)
	var lease *coordinationv1.Lease
	k.async(func(ctx context.Context) (err error) {
		lease, err = k.s.client.claim(ctx, c.shard, c.base, k.me)
		if err != nil && c.base == nil && lostRace(err) {
			_, _ = k.s.client.read(ctx, k.s.client.names.shard(c.shard)) // it may be there without its labels
		}
		return err
	}, func(err error) {
		k.claims--
		k.answered(c.shard, "cannot claim a shard", err)
		if err == nil && k.ctx.Err() == nil && k.leaving.IsZero() { // else it is released, or the session is
			k.hold(c, lease)
		}
	})
}

// hold begins the term of a shard that has been claimed.
func (k *keeper) hold(c claim, lease *coordinationv1.Lease) {
	info := elector.Term{AcquiredAt: time.Now(), Resumed: c.cause == causeResumed}
	if lease != nil {
		info.Token = elector.Token(lease.ResourceVersion)
		info.AcquiredAt = lease.Spec.AcquireTime.Time
		info.Transitions = int(*lease.Spec.LeaseTransitions)
	}
	h := &holding{shard: c.shard, lease: lease, part: k.term.Part(k.ctx, info), seen: c.at}
	k.holdings[c.shard] = h
	k.s.began(h, c.cause, c.free)
	go func() { // waited for by run
		h.run(k.s.callbacks)
		k.do(func() { k.stopped(h) })
	}()
}

// stopped must be called when the work of a shard has ended.
func (k *keeper) stopped(h *holding) {
	h.stopped = true
	k.s.ended(h)
	if h.failure != nil {
		panic(h.failure) // by way of the Elector to the caller of Start
	}
	if h.lost || h.lease == nil || k.ctx.Err() != nil {
		k.drop(h)
	}
}

// drop forgets a shard that is not ours any more. Where an administrator has deleted
// its Lease or blanked the holder in it, others wait for this replica's work to end;
// it has.
func (k *keeper) drop(h *holding) {
	delete(k.holdings, h.shard)
	if h.lease == nil || k.ctx.Err() != nil {
		return
	}
	k.slowDown(h)
	seen := k.s.view.slot(h.shard)
	switch {
	case seen == nil:
		k.s.view.lift(h.shard)
	case seen.UID == h.lease.UID && holder(seen) == "" && !released(seen):
		k.free(h.shard, seen)
	}
}

// slowDown makes the keeper wait before it claims a shard again whose term was lost soon after it
// began. Something may delete the Lease whenever it is made.
func (k *keeper) slowDown(h *holding) {
	pause := max(2*k.short[h.shard].pause, firstBackoff)
	if h.ending.Sub(h.part.Term().AcquiredAt) > k.s.config.LeaseDuration {
		pause = firstBackoff
	}
	pause = min(pause, k.s.config.LeaseDuration/2)
	k.short[h.shard] = refusal{until: time.Now().Add(pause), pause: pause}
}

// confirm reads the Lease of a session that seems to have lapsed.
func (k *keeper) confirm(s session, now time.Time, d *decision) {
	if until, ok := k.looks[s]; ok && (until.IsZero() || now.Before(until)) {
		if !until.IsZero() {
			d.after(until.Sub(now))
		}
		return
	}
	for other, until := range k.looks {
		if !until.IsZero() && now.After(until) {
			delete(k.looks, other)
		}
	}
	k.looks[s] = time.Time{}
	turn := time.Duration(k.s.view.rank()) * 50 * time.Millisecond
	k.async(func(ctx context.Context) error { return k.s.client.confirm(ctx, s, turn) }, func(err error) {
		k.looks[s] = time.Now().Add(jitter(k.s.config.LeaseDuration))
		if err != nil && k.ctx.Err() == nil {
			k.looks[s] = time.Now().Add(jitter(2 * k.s.config.RetryPeriod))
			k.s.troubled("cannot read the Lease of another replica", err)
		}
	})
}

// may reports whether another request of a kind may be made, and counts it.
func (k *keeper) may(now time.Time, count *int, limit int, d *decision) bool {
	if k.failing {
		limit = 1
	}
	if wait := k.quiet.Sub(now); wait > 0 {
		d.after(wait)
		return false
	}
	if *count >= limit {
		return false // the reply to another one wakes the keeper
	}
	*count++
	return true
}

func (k *keeper) ask(i int, seen *coordinationv1.Lease) {
	k.refused[i] = refusal{version: version(seen), pause: k.refused[i].pause}
}

// answered takes in the reply to a request about a shard. What was refused because
// another replica was faster is tried again when that was seen; after other failures
// there is a pause for all requests.
func (k *keeper) answered(i int, what string, err error) {
	switch {
	case err == nil:
		delete(k.refused, i)
		if k.failing {
			k.failing = false
			k.s.recovered()
		}
	case lostRace(err):
		r := k.refused[i]
		r.pause = min(max(2*r.pause, firstBackoff), k.s.config.RetryPeriod)
		r.until = time.Now().Add(r.pause)
		k.refused[i] = r
	default:
		delete(k.refused, i)
		if k.ctx.Err() == nil && !errors.Is(err, context.Canceled) {
			k.failing = true
			k.quiet = time.Now().Add(max(jitter(2*k.s.config.RetryPeriod), lease.RetryAfter(err)))
			k.s.troubled(what, err)
		}
	}
}
