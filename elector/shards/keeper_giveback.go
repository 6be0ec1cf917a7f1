// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package shards

import (
	"context"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"

	"github.com/kube-elector/elector/elector"
)

// give ends the work of shards that another replica should have, at the pace at which
// they can be released, and not while others whose work has ended wait for that.
func (k *keeper) give(shards []int, now time.Time, d *decision) {
	cause := ErrGivenBack
	if !k.leaving.IsZero() {
		cause = elector.ErrStopped
	}
	waiting := 0
	for _, h := range k.holdings {
		if h.stopped {
			waiting++
		}
	}
	for _, i := range shards {
		if waiting >= 2*k.maxReleases() {
			return // the release of one of them wakes the keeper
		}
		if wait := k.pace.next(now, k.maxReleases()); wait > 0 {
			d.after(wait)
			return
		}
		k.holdings[i].end(cause)
	}
}

// release releases the shards whose work has ended, and so gives them away.
func (k *keeper) release(now time.Time, d *decision) {
	for i, h := range k.holdings {
		if !h.stopped {
			continue
		}
		if r, ok := k.refused[i]; ok && (r.until.IsZero() || now.Before(r.until)) {
			continue
		}
		switch seen := k.s.view.slot(i); {
		case seen == nil:
			k.look(h, now, d)
		case !sameRecord(seen, h.lease):
			delete(k.holdings, i) // released by a request whose reply was lost, or edited
		case k.may(now, &k.releases, k.maxReleases(), d):
			began := now
			k.ask(i, seen)
			k.async(func(ctx context.Context) error { return k.s.client.release(ctx, seen) }, func(err error) {
				k.releases--
				k.answered(i, "cannot release a shard", err)
				if err == nil {
					k.pace.took(time.Since(began))
					delete(k.holdings, i)
				}
			})
		}
	}
}

// tidy releases a shard whose record names this session although it is not held: the
// reply to a claim was lost, and meanwhile another replica should have it.
func (k *keeper) tidy(i int, now time.Time, d *decision) {
	if seen := k.s.view.slot(i); seen != nil && k.may(now, &k.releases, k.maxReleases(), d) {
		k.releases--
		k.free(i, seen)
	}
}

func (k *keeper) free(i int, seen *coordinationv1.Lease) {
	k.releases++
	k.ask(i, seen)
	k.async(func(ctx context.Context) error { return k.s.client.release(ctx, seen) }, func(err error) {
		k.releases--
		k.answered(i, "cannot release a shard", err)
	})
}

// maxReleases returns two, or more for sets of many shards.
func (k *keeper) maxReleases() int { return maxReleases + k.s.n/256 }

// pace spaces the ends of shards out, so that those that take equally long to end do
// not wait for each other's release.
type pace struct {
	usual time.Duration // how long a release takes
	last  time.Time
}

// next returns how long to wait for the next one; when it returns 0 that is now. A few
// that are late, since timers are, are made up for.
func (p *pace) next(now time.Time, atOnce int) time.Duration {
	const longest, late = 100 * time.Millisecond, 2 * time.Millisecond
	due := later(p.last.Add(min(p.usual/time.Duration(atOnce), longest)), now.Add(-late))
	if wait := due.Sub(now); wait > 0 {
		return wait
	}
	p.last = due
	return 0
}

func (p *pace) took(d time.Duration) { p.usual = (3*p.usual + d) / 4 }
