// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package shards

import (
	"context"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"

	"github.com/kube-elector/elector/elector"
)

// visible reports whether the watch shows the Lease, if there is one: it shows those with the set's label.
func (n names) visible(lease *coordinationv1.Lease) bool {
	return lease != nil && lease.Labels[SetLabel] == n.label()
}

// sight notes until when the Leases of the shards that are held are known to have been there.
func (k *keeper) sight() {
	at, _ := k.s.view.lastSighted()
	for _, h := range k.holdings {
		if k.s.client.names.visible(k.s.view.slot(h.shard)) {
			h.seen = later(h.seen, at)
		}
	}
}

// look reads the Lease of a shard that the watch does not show any more. It may have been deleted, or only have lost
// its labels. A replica that cannot find out keeps the shard for RenewDeadline, as when it sees nothing of the set: the
// others wait longer.
func (k *keeper) look(h *holding, now time.Time, d *decision) {
	left := k.s.config.RenewDeadline - now.Sub(h.seen)
	if left <= 0 {
		k.lost(h, elector.ErrLeaseDeleted)
		return
	}
	d.after(left)
	if h.looking {
		return
	}
	if wait := h.again.Sub(now); wait > 0 {
		d.after(wait)
		return
	}
	h.looking = true
	var lease *coordinationv1.Lease
	k.async(func(ctx context.Context) (err error) {
		lease, err = k.s.client.read(ctx, k.s.client.names.shard(h.shard))
		if err != nil || lease == nil || !sameRecord(lease, h.lease) {
			return err
		}
		if err = k.s.client.relabel(ctx, lease); lostRace(err) {
			err = nil // the next look tells
		}
		return err
	}, func(err error) {
		h.looking, h.again = false, time.Now().Add(jitter(2*k.s.config.RetryPeriod))
		if h.lost || k.holdings[h.shard] != h {
			return
		}
		if err != nil && k.ctx.Err() == nil {
			k.s.troubled("cannot find out what became of a shard's Lease", err)
		}
		switch {
		case lease != nil && sameRecord(lease, h.lease):
			h.seen = later(h.seen, now)
		case lease != nil:
			k.lost(h, elector.ErrTakenOver)
		case err == nil:
			k.lost(h, elector.ErrLeaseDeleted)
		}
	})
}

// lost ends the term of a shard whose Lease is not there any more, or another's, as far as this replica can tell.
func (k *keeper) lost(h *holding, cause error) {
	h.lose(cause)
	if h.stopped {
		k.drop(h)
	}
}
