// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"

	"github.com/kube-elector/elector/elector"
)

// The events that watch prints.
const (
	evLeads    = "leads"
	evReleased = "released"
	evLapsed   = "lapsed"
	evDeleted  = "deleted"
	evMissing  = "missing"
)

// An event is a line of watch. Its JSON is for scripts: fields may be added, but do not change.
type event struct {
	Time   time.Time     `json:"time"`
	Event  string        `json:"event"`
	Holder string        `json:"holder,omitempty"`
	Token  elector.Token `json:"token,omitempty"`
	// GapSeconds is how long nobody led. It counts from the event that GapFrom names: release, renewal or deletion.
	GapSeconds *float64 `json:"gapSeconds,omitempty"`
	GapFrom    string   `json:"gapFrom,omitempty"`
	// Before is the holder before, and Reason why its term ended, if the Lease says so.
	Before string            `json:"before,omitempty"`
	Reason elector.EndReason `json:"reason,omitempty"`

	gap   span
	since span // for how long the leader led when it was first seen
}

// A lifeSign is the last sign of life of a leader.
type lifeSign struct {
	what string // renewal, release or deletion
	at   time.Time
}

// A history tells the changes of leader from what is seen of a Lease.
type history struct {
	print func(event)
	clock func() time.Time // the API server's
	lapse *time.Timer      // fires when the Lease may have lapsed

	seen   bool // whether there is a Lease is known
	gone   bool
	record elector.Record
	last   lifeSign
	told   bool // that the Lease has lapsed
}

func newHistory(clock func() time.Time, print func(event)) *history {
	h := &history{print: print, clock: clock, lapse: time.NewTimer(time.Hour)}
	h.lapse.Stop()
	return h
}

// saw takes in the Lease as it is at the time now, nil if there is none.
func (h *history) saw(lease *coordinationv1.Lease, now time.Time) {
	b := *h
	h.seen, h.gone, h.record = true, lease == nil, elector.ReadLease(lease)
	r := h.record
	led := b.record.Holder != "" && !b.told
	e := event{Time: now, Holder: r.Holder, Token: r.Token, Before: b.record.Holder}
	if t := r.LastTerm; t != nil {
		e.Before, e.Reason = t.Holder, t.Reason
	}
	switch {
	case h.gone && !b.seen:
		e.Event = evMissing
	case h.gone && !b.gone:
		e.Event = evDeleted
		h.alive(led, "deletion", now)
	case h.gone:
	case r.Holder == "" && (!b.seen || b.gone || b.record.Holder != ""):
		e.Event = evReleased
		h.alive(led || !b.seen, "release", h.past(b.seen, now))
	case r.Holder == "":
	case !b.seen, b.gone, !sameTerm(b.record, r), b.told && !b.record.Renewed.Equal(r.Renewed):
		e.Event, h.told = evLeads, false
		if !b.seen {
			e.since = since(r.Acquired, h.clock())
		}
		if !b.last.at.IsZero() {
			e.gap, e.GapFrom = span{true, now.Sub(b.last.at)}, b.last.what
		}
		h.alive(true, "renewal", h.past(b.seen, now))
	case !b.record.Renewed.Equal(r.Renewed):
		h.alive(true, "renewal", now)
	}
	if e.Event != "" {
		h.print(e)
	}
	h.await(now, lease)
}

// sameTerm reports whether both records are of one term.
func sameTerm(a, b elector.Record) bool {
	return a.Holder == b.Holder && a.Acquired.Equal(b.Acquired) && (a.Token == "" || b.Token == "" || a.Token == b.Token)
}

// alive notes a sign of life, if there was one.
func (h *history) alive(was bool, what string, at time.Time) {
	if was {
		h.last = lifeSign{what, at}
	}
}

// past returns when the record was written: now, unless it was there when the Lease was first seen. Then there is only
// the time in it.
func (h *history) past(seen bool, now time.Time) time.Time {
	if seen || h.record.Renewed.IsZero() {
		return now
	}
	return now.Add(-max(0, h.clock().Sub(h.record.Renewed)))
}

// await reports once that the holder did not renew in time. If its time is not up yet, it sets the timer, which makes
// the follower read the Lease again.
func (h *history) await(now time.Time, lease *coordinationv1.Lease) {
	h.lapse.Stop()
	if h.record.Holder == "" || h.record.Duration == 0 || h.told || kindOf(lease, h.record) == ofShard {
		return
	}
	past := now.Sub(h.last.at)
	if left := h.record.Duration - past; left > 0 {
		h.lapse.Reset(left)
		return
	}
	h.told = true
	h.print(event{Time: now, Event: evLapsed, Before: h.record.Holder, gap: span{true, past}, GapFrom: h.last.what})
}
