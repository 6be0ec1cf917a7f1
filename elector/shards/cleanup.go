// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package shards

import (
	"context"
	"slices"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"

	"github.com/kube-elector/elector/elector/internal/wait"
)

// leftoverAge is for how long the Lease of a replica that is gone is kept. Replicas have a new Identity after each
// restart, unless they are given one.
const leftoverAge = time.Hour

// collectLeftovers deletes the Leases that replicas have left behind, one replica doing it for all. It needs the
// permission to delete Leases; without it they stay.
func (s *Shards) collectLeftovers(ctx context.Context) {
	for ctx.Err() == nil {
		wait.Sleep(ctx, jitter(leftoverAge/4))
		for _, lease := range s.view.leftovers(time.Now()) {
			if ctx.Err() != nil {
				return
			}
			if err := s.client.remove(ctx, lease); err != nil {
				s.logger.Debug("cannot delete the Lease of a replica that is gone", "lease", lease.Name, "err", err)
				break
			}
		}
	}
}

// leftovers returns the Leases to delete: nobody has held them for a long time, and no shard names them. It returns
// none unless this replica is the members' first.
func (v *view) leftovers(now time.Time) []*coordinationv1.Lease {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.members) == 0 || v.members[0] != v.self {
		return nil
	}
	named := map[string]bool{}
	for _, s := range v.slots {
		named[s.owner.lease] = true
	}
	var old []*coordinationv1.Lease
	for name, r := range v.replicas {
		if r.visible && !r.held() && !named[name] && now.Sub(r.changed) > leftoverAge && name != v.self {
			old = append(old, r.lease)
		}
	}
	for i, s := range v.slots {
		if i >= v.n && s.lease != nil && now.Sub(s.changed) > leftoverAge && v.isOverLocked(s.owner, s.until(v.own), now) {
			old = append(old, s.lease)
		} else if i >= v.n && s.lease != nil && now.Sub(s.changed) > leftoverAge && released(s.lease) {
			old = append(old, s.lease)
		}
	}
	slices.SortFunc(old, func(a, b *coordinationv1.Lease) int {
		return int(a.CreationTimestamp.Unix() - b.CreationTimestamp.Unix())
	})
	return old
}

// summary returns how many members the set has, how many shards nobody holds, and for how long at most.
func (v *view) summary(now time.Time) (members, unowned int, longest time.Duration) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for i := range v.n {
		if s := v.slots[i]; !s.free.IsZero() {
			unowned++
			longest = max(longest, now.Sub(s.free))
		}
	}
	return len(v.members), unowned, longest
}
