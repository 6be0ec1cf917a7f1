// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package shards

import (
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
)

// view is what a replica knows of the set. It is a function of what the API server has said and when; it sends no
// requests.
type view struct {
	names names
	n     int
	self  string        // the name of this replica's session Lease
	own   time.Duration // LeaseDuration

	mu       sync.Mutex // guards all below
	listed   bool       // the set was read once
	versions map[string]string
	newest   string // of all versions
	replicas map[string]*replica
	slots    map[int]*slot
	sighted  time.Time          // the set is known as it was then, or later
	gap      bool               // what is taken in now comes from a read, before which changes may not have been seen
	ended    map[session]bool   // sessions of this process that are over
	rivals   map[string]session // replicas with another count when this one's session was first seen
	members  []string           // those that order is of
	order    *order
	changed  chan struct{} // holds one: something has changed
	stirred  chan struct{} // the same, for crashes
}

func newView(n names, count int, self string, own time.Duration) *view {
	v := &view{
		names: n, n: count, self: self, own: own,
		versions: map[string]string{}, replicas: map[string]*replica{}, slots: map[int]*slot{},
		ended: map[session]bool{}, rivals: map[string]session{}, changed: make(chan struct{}, 1), stirred: make(chan struct{}, 1),
	}
	for i := range count {
		v.slots[i] = &slot{}
	}
	return v
}

// saw takes in one Lease, from an event of the watch or a reply, or that it has vanished. What is older than what is
// known of that Lease is not believed.
func (v *view) saw(name string, lease *coordinationv1.Lease, version string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if known, ok := v.versions[name]; ok && (known == version || older(version, known)) {
		return
	}
	v.takeLocked(name, lease, version, time.Now())
}

// heard must be called when the watch has delivered the session of this replica. Everything that was written before
// this renewal has been delivered, too.
func (v *view) heard(lease *coordinationv1.Lease) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if renewed := lease.Spec.RenewTime; renewed != nil {
		now := time.Now()
		v.sighted = later(v.sighted, now.Add(-max(0, now.Round(0).Sub(renewed.Time))))
	}
}

// known returns what version of a Lease is known, for sawRead. Take it before a read is requested.
func (v *view) known(name string) string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.versions[name]
}

// sawRead takes in the reply to a read of one Lease, before which a version was known. If nothing was learned since, it
// is believed whatever its version: it may be one without labels, which seemed to vanish later than it was written.
func (v *view) sawRead(lease *coordinationv1.Lease, before string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if known := v.versions[lease.Name]; known != before && older(lease.ResourceVersion, known) {
		return
	}
	v.gap = true
	defer func() { v.gap = false }()
	v.takeLocked(lease.Name, lease, lease.ResourceVersion, time.Now())
}

// mark returns a mark for sawList. Take it before a list is requested.
func (v *view) mark() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.newest
}

// sawList takes in all Leases of the set, as they were at a version. The request was sent at sent, when mark was taken.
// A list that is older than the mark comes from a server that went back, as after a restore, and is believed.
func (v *view) sawList(leases []coordinationv1.Lease, version string, sent time.Time, mark string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	now := time.Now()
	if older(version, mark) {
		clear(v.versions)
	}
	v.gap = true
	defer func() { v.gap = false }()
	there, mine := map[string]bool{}, session{}
	if r := v.replicas[v.self]; r != nil {
		mine = r.current
	}
	for i := range leases {
		lease := &leases[i]
		there[lease.Name] = true
		if known, ok := v.versions[lease.Name]; !ok || older(known, lease.ResourceVersion) {
			v.takeLocked(lease.Name, lease, lease.ResourceVersion, now)
		}
	}
	v.vanishLocked(there, version, now)
	if r := v.replicas[v.self]; r != nil && r.held() && r.current != mine {
		v.arrivedLocked() // once more: others may come later in the list
	}
	if !v.listed {
		v.doubtMissingLocked(now)
	}
	v.listed, v.newest, v.sighted = true, version, sent
	v.wake()
}

// vanishLocked takes in that a list did not have the other Leases.
func (v *view) vanishLocked(there map[string]bool, version string, now time.Time) {
	gone := func(name string) bool { return !there[name] && !older(version, v.versions[name]) }
	for name, r := range v.replicas {
		if r.visible && gone(name) {
			v.takeLocked(name, nil, version, now)
		}
	}
	for i, s := range v.slots {
		if s.lease != nil && gone(v.names.shard(i)) {
			v.takeLocked(s.lease.Name, nil, version, now)
		}
	}
}

// doubtMissingLocked makes this replica wait for the shards whose Leases are missing at first sight, if others of the
// set are there, or a replica that must have claimed some: they may have been deleted a moment ago, and their holders
// may not have noticed. A new set has neither.
func (v *view) doubtMissingLocked(now time.Time) {
	some := false
	for _, s := range v.slots {
		some = some || s.lease != nil && count(s.lease) == v.n
	}
	for _, r := range v.replicas {
		some = some || r.member(v.n) && r.lasted() > 4*settle
	}
	for _, s := range v.slots {
		if some && s.lease == nil {
			s.notBefore = now.Add(v.own)
		}
	}
}

func (v *view) takeLocked(name string, lease *coordinationv1.Lease, version string, now time.Time) {
	i, ok := v.names.parse(name)
	if !ok {
		return
	}
	v.versions[name] = version
	if older(v.newest, version) || v.newest == "" {
		v.newest = version
	}
	if lease != nil {
		lease.ManagedFields = nil // half of the Lease, and nobody reads it
	}
	if i < 0 {
		v.sawReplicaLocked(name, lease, now)
		return
	}
	s := v.slots[i]
	if s == nil { // of a set of more shards
		s = &slot{}
		v.slots[i] = s
	}
	v.sawSlotLocked(s, lease, now)
	v.wake()
}

func (v *view) sawReplicaLocked(name string, lease *coordinationv1.Lease, now time.Time) {
	r := v.replicas[name]
	if r == nil {
		r = &replica{}
		v.replicas[name] = r
	}
	if r.complains(lease) {
		v.reconsiderLocked()
	}
	before, standing := r.current, r.standing()
	r.saw(lease, !v.listed, v.gap, v.own, now)
	if name == v.self && r.current != before && r.held() {
		v.arrivedLocked()
	}
	if r.standing() != standing { // a renewal is no news
		v.wake()
	}
}

// reconsiderLocked counts those again that were passed over. A replica that gets too little may be one of them, or the
// replicas do not agree on who is.
func (v *view) reconsiderLocked() {
	for _, r := range v.replicas {
		r.unfit = false
	}
	v.wake()
}

// arrivedLocked notes which replicas with another count have sessions that were claimed before this replica's. Those
// that come later will see this one.
func (v *view) arrivedLocked() {
	clear(v.rivals)
	for name, r := range v.replicas {
		if r.held() && name != v.self && count(r.lease) != v.n {
			v.rivals[name] = r.current
		}
	}
}

func (v *view) wake() {
	for _, c := range []chan struct{}{v.changed, v.stirred} {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
