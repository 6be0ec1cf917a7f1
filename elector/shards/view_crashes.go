// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package shards

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"

	"github.com/kube-elector/elector/elector"
	"github.com/kube-elector/elector/elector/internal/crash"
	"github.com/kube-elector/elector/elector/internal/lease"
)

// mortal is a session whose record names the process that holds it, so that its end can be known.
type mortal struct {
	session
	process string
}

// instance returns the run of a container that the process lives in.
func (m mortal) instance() (crash.Instance, bool) { return crash.Parse(m.process) }

// processOf returns how a session's record names its process, "" if it does not.
func processOf(l *coordinationv1.Lease) string {
	return lease.ProcessOf(l, elector.ContainerAnnotation, elector.WriterAnnotation)
}

// ring returns the sessions of the other replicas whose ends can be known, in the order in which their Leases follow
// that of this replica, and those of them that should have been renewed.
func (v *view) ring() (all []mortal, silent map[mortal]time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	silent = map[mortal]time.Time{}
	for name, r := range v.replicas {
		if name == v.self || !r.visible || !r.held() {
			continue
		}
		m := mortal{r.current, processOf(r.lease)}
		if _, ok := m.instance(); !ok {
			continue
		}
		all = append(all, m)
		if v.sighted.Sub(r.changed) > duration(r.lease, v.own)/3 {
			silent[m] = r.changed
		}
	}
	slices.SortFunc(all, func(a, b mortal) int { return cmp.Compare(a.lease, b.lease) })
	first := slices.IndexFunc(all, func(m mortal) bool { return m.lease > v.self })
	return slices.Concat(all[max(0, first):], all[:max(0, first)]), silent
}

// doubtedFor returns how long other sessions of the Lease must still be taken to last, whose records were replaced in a
// way that does not show that they had ended.
func (v *view) doubtedFor(s session, now time.Time) (left time.Duration) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if r := v.replicas[s.lease]; r != nil {
		for _, until := range r.doubted {
			left = max(left, until.Sub(now))
		}
	}
	return left
}

// crashedLocked reports whether the session was ended by another replica, since its holder had crashed.
func (v *view) crashedLocked(s session) bool {
	r := v.replicas[s.lease]
	return r != nil && r.lease != nil && r.lease.Annotations[CrashedAnnotation] == strconv.FormatInt(s.acquired, 10)
}

// buriedLocked reports whether the session's Lease still is as it was left by the one who ended the session. Those that
// come later need not have seen the session to know that it is over.
func (v *view) buriedLocked(s session) bool {
	return s.acquired != 0 && v.crashedLocked(s) && v.replicas[s.lease].current.acquired == 0
}
