// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/kube-elector/elector/elector"
	"github.com/kube-elector/elector/test/history"
)

const never = 1 << 62 * time.Nanosecond

// stint is one term of one shard, as its callbacks tell of it.
type stint struct {
	of                  *server
	lease, token, cause string
	from, cancelled, to time.Duration
	stopped             bool
}

// span is a time.
type span struct{ from, to time.Duration }

// server is a process that takes part in the set.
type server struct {
	name, seat string
	shards     int
	from, to   time.Duration
	detects    bool          // it has crash detection
	stuck      bool          // its work ignores its context from some time on
	reported   time.Duration // when the kubelet has said that it has ended
	told       time.Duration // when it was told to end
	frozen     []span
	open       map[string]*stint // by Lease
	counted    time.Duration     // when its requests were
}

// judge reads a history of a set of shards.
type judge struct {
	plan    *Plan
	limits  history.Limits
	history history.History
	servers map[string]*server
	stints  []*stint
	tokens  map[string]string        // the latest of each shard
	edits   map[string]history.Event // the latest of a record by an administrator, by Lease
	used    map[string]bool
	found   []history.Violation
}

// judgeSet returns what must not be in the history of a set.
//
//   - one-holder: at most one process serves a shard, or holds it when another claims it
//   - one-count: processes that count another number of shards do not serve at the same time
//   - leaves: Start returns in time
//   - callbacks, tokens-rise: as in an election, for each shard
//   - respect: another process ends a session early only if its process is dead, was reported to be, and Grace is over
//   - drained: neither a shard nor a session is released before the work has returned
//   - unowned, balanced, kept: when all has been well for a while, each shard is served, by all alike, and stays
//   - moves: when a replica joins, leaves or crashes while all is well, the fewest shards move, and in time
//   - requests: a process sends its renewals, and a few requests for each shard, whatever happens
func judgeSet(p *Plan, h history.History) []history.Violation {
	j := &judge{
		plan: p, limits: p.limits(), history: h,
		servers: map[string]*server{}, tokens: map[string]string{}, edits: map[string]history.Event{}, used: map[string]bool{},
	}
	for _, e := range h {
		j.read(e)
	}
	j.overlaps()
	j.quiet()
	return j.found
}

func (j *judge) wrong(invariant string, at time.Duration, replica, format string, args ...any) {
	j.found = append(j.found, history.Violation{Invariant: invariant, At: at, Replica: replica, What: fmt.Sprintf(format, args...)})
}

// read takes in one event, and judges what can be judged at once.
func (j *judge) read(e history.Event) {
	if e.Kind == history.ProcessStarted {
		seat, _, _ := strings.Cut(e.Replica, "#")
		at := slices.IndexFunc(j.plan.Replicas, func(r Replica) bool { return r.Name == seat })
		j.servers[e.Replica] = &server{
			name: e.Replica, seat: seat, shards: j.plan.Replicas[at].Shards, detects: j.plan.Replicas[at].Detect,
			from: e.At, to: never, reported: never, told: never, open: map[string]*stint{},
		}
	}
	if _, kind, _ := strings.Cut(e.Note, " "); e.Kind == history.FaultBegan && Kind(kind) == Stuck {
		for _, s := range j.alive(e.At, e.At) {
			s.stuck = s.stuck || s.seat == e.Replica
		}
	}
	if b, a := e.Before, e.After; e.Kind == history.LeaseWrite && e.Replica == "" &&
		(b.UID != a.UID || b.Holder != a.Holder || b.Renewed != a.Renewed || b.Transitions != a.Transitions) {
		j.edits[e.Lease] = e
	}
	s := j.servers[e.Replica]
	if s == nil {
		return
	}
	switch e.Kind {
	case history.ProcessTold:
		s.told = min(s.told, e.At)
	case history.ProcessEnded:
		s.to = e.At
		j.leaves(s, e)
		for _, one := range s.open {
			one.cancelled, one.to = min(one.cancelled, e.At), min(one.to, e.At)
		}
	case history.Frozen:
		s.frozen = append(s.frozen, span{e.At, never})
	case history.Thawed:
		s.frozen[len(s.frozen)-1].to = e.At
	case history.Reported:
		s.reported = min(s.reported, e.At)
	case history.LeaseWrite:
		j.released(s, e)
		j.ends(s, e)
	case history.Requests:
		j.requests(s, e)
	case history.TermStarted:
		j.started(s, e)
	case history.TermCancelled, history.WorkReturned, history.TermStopped:
		j.ended(s, e)
	}
}

func (j *judge) started(s *server, e history.Event) {
	if old := s.open[e.Lease]; old != nil && !old.stopped {
		j.wrong("callbacks", e.At, s.name, "OnStarted of %s before OnStopped", e.Lease)
	}
	if last, ok := j.tokens[e.Lease]; ok {
		if order, err := elector.Token(e.Token).Compare(elector.Token(last)); err != nil || order <= 0 {
			j.wrong("tokens-rise", e.At, s.name, "%s: token %s after %s", e.Lease, e.Token, last)
		}
	}
	if j.used[e.Token] {
		j.wrong("tokens-rise", e.At, s.name, "%s: token %s was that of another shard", e.Lease, e.Token)
	}
	j.tokens[e.Lease], j.used[e.Token] = e.Token, true
	one := &stint{of: s, lease: e.Lease, token: e.Token, from: e.At, cancelled: never, to: never}
	s.open[e.Lease] = one
	j.stints = append(j.stints, one)
}

func (j *judge) ended(s *server, e history.Event) {
	one := s.open[e.Lease]
	switch {
	case one == nil || one.stopped:
		j.wrong("callbacks", e.At, s.name, "%s of %s, which does not run", e.Kind, e.Lease)
	case e.Kind == history.TermCancelled:
		one.cancelled, one.cause = e.At, e.Cause
	case e.Kind == history.WorkReturned:
		one.to = e.At
	case one.to == never:
		j.wrong("callbacks", e.At, s.name, "OnStopped of %s before OnStarted has returned", e.Lease)
	default:
		one.stopped = true
	}
}

// released judges a write of the process that blanks a holder.
func (j *judge) released(s *server, e history.Event) {
	if e.After.Holder != "" || e.Before.Holder == "" {
		return
	}
	for _, one := range s.open {
		if one.to == never && (one.lease == e.Lease || !isShard(e.Lease) && e.Before.Holder == j.identity(s)) {
			j.wrong("drained", e.At, s.name, "releases %s while it serves %s", e.Lease, one.lease)
			return
		}
	}
}

// identity returns what the process calls itself.
func (j *judge) identity(s *server) string {
	for _, r := range j.plan.Replicas {
		if r.Name == s.seat && r.Identity != "" {
			return r.Identity
		}
	}
	return s.name
}

// running returns when the process ran during the stint, without the moment in which it wakes up.
func (j *judge) running(one *stint) (parts []span) {
	left := span{one.from, min(one.to, one.of.to)}
	for _, f := range one.of.frozen {
		if before := (span{left.from, min(left.to, f.from)}); before.from < before.to {
			parts = append(parts, before)
		}
		if left.from = max(left.from, f.to); f.to != never {
			left.from = max(left.from, f.to+j.limits.Wake)
		}
	}
	if left.from < left.to {
		parts = append(parts, left)
	}
	return parts
}

// overlaps looks for two that serve one shard, or count differently.
func (j *judge) overlaps() {
	type part struct {
		span
		*stint
	}
	var parts []part
	for _, one := range j.stints {
		for _, s := range j.running(one) {
			parts = append(parts, part{s, one})
		}
	}
	slices.SortStableFunc(parts, func(a, b part) int { return cmp.Compare(a.span.from, b.span.from) })
	var open []part
	for _, p := range parts {
		open = slices.DeleteFunc(open, func(o part) bool { return o.span.to <= p.span.from })
		for _, o := range open {
			common := span{p.span.from, min(o.span.to, p.span.to)}
			switch {
			case o.of == p.of:
			case o.of.shards != p.of.shards && !j.byHand(o.stint, common) && !j.byHand(p.stint, common):
				j.wrong("one-count", p.span.from, p.of.name, "serves %d shards beside %s, which serves %d", p.of.shards, o.of.name, o.of.shards)
			case o.lease == p.lease && !j.byHand(o.stint, common) && !j.byHand(p.stint, common):
				j.wrong("one-holder", p.span.from, p.of.name, "serves %s for %v beside %s", p.lease, common.to-common.from, o.of.name)
			}
		}
		open = append(open, p)
	}
	for _, e := range j.history {
		if e.Kind != history.Leading || e.Lease == "" {
			continue
		}
		s := j.servers[e.Replica]
		if one := s.open[e.Lease]; j.awake(s, e.At) && !j.byHand(&stint{of: s, lease: e.Lease}, span{e.At, e.At}) {
			j.wrong("one-holder", e.At, s.name, "says it holds %s, which another one claims (%v)", e.Lease, one != nil)
		}
	}
}

func (j *judge) awake(s *server, at time.Duration) bool {
	return !slices.ContainsFunc(s.frozen, func(f span) bool { return f.from <= at && at <= f.to+j.limits.Wake })
}

// byHand reports whether an administrator has released the shard under its holder, or shortened the holder's session, a
// short time before.
func (j *judge) byHand(one *stint, common span) bool {
	claimed := -never
	for _, e := range j.history {
		if e.At > common.from {
			break
		}
		if e.Kind == history.LeaseWrite && e.Lease == one.lease && e.Replica == one.of.name && e.After.Holder != "" {
			claimed = e.At
		}
		if e.Kind != history.LeaseWrite || e.Replica != "" || common.to > e.At+j.limits.LeaseDuration {
			continue
		}
		blank := e.Lease == one.lease && e.After.UID != "" && e.After.Holder == "" && e.After.Renewed == ""
		session := !isShard(e.Lease) && e.Before.Holder == j.identity(one.of)
		if blank || session && e.After.UID == e.Before.UID && e.After.Seconds < e.Before.Seconds {
			return true
		}
		// One that has started since does not know that the record is an old one.
		old := e.Lease == one.lease && e.After.Holder != "" && e.After.Renewed != e.Before.Renewed && one.of.from > e.At
		if old && common.to <= e.At+j.limits.Allowance+j.limits.Tolerance {
			return true
		}
		// One that cannot watch has not seen the record, and the holder may not notice before its next list.
		deleted := e.Lease == one.lease && e.After.UID == "" && e.Before.Holder == j.identity(one.of)
		if deleted && e.At-claimed < j.limits.RetryPeriod && common.to <= e.At+j.limits.RenewDeadline {
			return true
		}
	}
	return false
}

func (j *judge) alive(from, to time.Duration) (all []*server) {
	for _, name := range slices.Sorted(maps.Keys(j.servers)) {
		if s := j.servers[name]; s.from <= from && s.to >= to {
			all = append(all, s)
		}
	}
	return all
}
