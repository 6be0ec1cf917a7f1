// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package shards

import (
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"

	"github.com/kube-elector/elector/elector"
)

// lastSighted returns since when the set may have changed without this replica's knowing, and false before it was read
// once.
func (v *view) lastSighted() (time.Time, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.sighted, v.listed
}

// replica returns the Lease of a session as last seen, nil if it is another's now.
func (v *view) replica(s session) *coordinationv1.Lease {
	v.mu.Lock()
	defer v.mu.Unlock()
	if r := v.replicas[s.lease]; r != nil && r.current == s {
		return r.lease
	}
	return nil
}

// arrived returns this replica's session if it was seen since the write that token stands for.
func (v *view) arrived(token elector.Token) (session, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	r := v.replicas[v.self]
	if r == nil || !r.held() || older(r.lease.ResourceVersion, string(token)) {
		return session{}, false
	}
	return r.current, true
}

// sessionEnded must be called when all work of a session of this process has ended.
func (v *view) sessionEnded(s session) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if s.acquired != 0 {
		v.ended[s] = true
	}
}

// slot returns the Lease of a shard as last seen, nil if there is none.
func (v *view) slot(shard int) *coordinationv1.Lease {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.slots[shard].lease
}

// lift lets this replica claim a shard at once. Its Lease has vanished, and this replica was the holder.
func (v *view) lift(shard int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.slots[shard].notBefore = time.Time{}
	v.wake()
}
