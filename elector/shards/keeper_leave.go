// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package shards

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"github.com/kube-elector/elector/elector"
)

// ready reports whether the keeper may claim: this replica's session was seen among
// the others', and none of those has another number of shards.
func (k *keeper) ready(now time.Time, d *decision) bool {
	if k.arrived.IsZero() {
		me, ok := k.s.view.arrived(k.term.Token)
		if !ok {
			if !k.leaving.IsZero() {
				k.finish(elector.ErrStopped)
			}
			return false
		}
		k.me, k.arrived = me, now
	}
	if k.s.view.replica(k.me) == nil {
		k.abandon(elector.ErrTakenOver) // its record was edited: others don't take this session for ours
		return false
	}
	if !k.clear {
		rivals := k.s.view.rivalry(now)
		for _, s := range rivals.confirm {
			k.confirm(s, now, d)
		}
		if rivals.alive {
			if k.s.callbacks.OnOtherCount == nil {
				k.s.fail(k.s.countError())
			}
			k.abandon(ErrCount)
		}
		k.clear = rivals.none
		d.after(rivals.next)
		if !k.clear && !k.leaving.IsZero() {
			k.finish(elector.ErrStopped) // there is nothing to give back
		}
	}
	return k.clear
}

// leave begins to give back all shards, since this replica stops.
func (k *keeper) leave() {
	if !k.leaving.IsZero() {
		return
	}
	k.leaving = time.Now()
	if !k.s.config.ReleaseOnCancel {
		k.abandon(elector.ErrStopped)
		return
	}
	if len(k.holdings) > 0 && k.me.acquired != 0 {
		k.annotate(LeavingAnnotation, k.me.acquired)
	}
}

// assert tells the others that this replica can claim shards, since they seem to have passed it over, or another one.
// It is owed a shard.
func (k *keeper) assert(owed int, now time.Time) {
	switch {
	case now.Sub(k.asserted) <= 4*k.s.config.LeaseDuration:
	case k.failing:
		k.try(owed, now)
	default:
		k.asserted = now
		k.annotate(FitAnnotation, now.UnixMicro())
	}
}

// try finds out whether requests about shards succeed again, by a write that changes nothing: a replica that others
// have passed over may have no other request to make.
func (k *keeper) try(shard int, now time.Time) {
	seen := k.s.view.slot(shard)
	if seen == nil || now.Sub(k.tried) <= k.s.config.LeaseDuration {
		return
	}
	k.tried = now
	k.async(func(ctx context.Context) error { return k.s.client.relabel(ctx, seen) }, func(err error) {
		if (err == nil || lostRace(err)) && k.failing {
			k.failing = false
			k.s.recovered()
		}
	})
}

func (k *keeper) annotate(key string, value int64) {
	k.async(func(ctx context.Context) error { return k.s.client.annotate(ctx, k.me, key, value) }, func(err error) {
		if err != nil && k.ctx.Err() == nil {
			k.s.troubled("cannot annotate the session's Lease", err)
		}
	})
}

// abandon ends all work and the session.
func (k *keeper) abandon(cause error) {
	for _, h := range k.holdings {
		h.end(cause)
	}
	k.finish(cause)
}

// doom ends the session, whatever still runs, since the work of a lost shard does. It does not return.
func (k *keeper) doom(h *holding, now time.Time) {
	k.s.fail(fmt.Errorf("shard %d: %w: it is still running %v after the shard was lost (%w)",
		h.shard, elector.ErrDrainTimeout, now.Sub(h.lostAt).Round(time.Millisecond), context.Cause(h.part.Context())))
	k.abandon(elector.ErrStopped)
	runtime.Goexit() // the Elector takes that for the end of the term, and Start returns
}

// outlasted looks for work that has not stopped though its shard was lost. Another replica may soon have it.
func (k *keeper) outlasted(now time.Time, d *decision) {
	for _, h := range k.holdings {
		if h.lost && !h.stopped {
			left := k.s.config.LeaseDuration - k.s.config.RenewDeadline - now.Sub(h.lostAt)
			if left <= 0 {
				k.doom(h, now)
			}
			d.after(left)
		}
	}
}

// stuck looks for work that has not stopped within DrainTimeout. Its shard cannot be given to anybody while this
// process lives, so the process has to end: the others are given back before. There is no time for that when the shard
// was lost.
func (k *keeper) stuck(now time.Time, d *decision) {
	k.outlasted(now, d)
	limit, all := k.s.config.DrainTimeout, true
	for _, h := range k.holdings {
		left := limit - now.Sub(h.ending)
		if h.ending.IsZero() || h.stopped || left > 0 {
			all = false
			if !h.ending.IsZero() {
				d.after(left)
			}
			continue
		}
		k.s.fail(fmt.Errorf("shard %d: %w (%v)", h.shard, elector.ErrDrainTimeout, limit))
		if k.leaving.IsZero() {
			k.leave()
		}
	}
	if k.leaving.IsZero() {
		return
	}
	if left := limit - now.Sub(k.leaving); left > 0 && !(all && len(k.holdings) > 0) {
		d.after(left)
	} else {
		k.abandon(elector.ErrStopped)
	}
}
