// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"slices"
	"strings"
	"time"

	"github.com/kube-elector/elector/test/history"
)

// disturbances are what ends a quiet time.
var disturbances = []history.Kind{
	history.ProcessStarted, history.ProcessTold, history.ProcessEnded, history.FaultBegan, history.FaultEnded,
	history.Frozen, history.Thawed, history.SteppedDown,
}

// goings are faults after which there are fewer replicas, and nothing else is wrong.
var goings = []Kind{Crash, Stop, Hog}

// bound returns how long after a fault everything must be in order again.
func (j *judge) bound(at time.Duration) time.Duration {
	l := j.limits
	bound := 6*l.LeaseDuration + 4*l.RetryPeriod
	for _, e := range j.history {
		if e.At > at {
			break
		}
		if e.Kind == history.LeaseWrite && e.Replica == "" && e.At+2*l.MaxLease > at {
			return bound + l.MaxLease // what an administrator writes is waited for
		}
	}
	return bound
}

// quiet judges the times in which nothing happens.
func (j *judge) quiet() {
	open := map[string]int{}
	settled := false
	var since []history.Event // disturbances since the last time in which everything was in order
	from := time.Duration(0)
	for _, e := range j.history {
		if !slices.Contains(disturbances, e.Kind) {
			continue
		}
		if len(open) == 0 && e.At > from {
			if now := j.inOrder(span{from, e.At}); now {
				if settled {
					j.moves(since, e.At)
				}
				settled, since = true, nil
			} else if e.At-from > j.bound(from) {
				settled = false
			}
		}
		from = e.At
		since = append(since, e)
		_, kind, _ := strings.Cut(e.Note, " ")
		if slices.Contains(goings, Kind(kind)) {
			continue
		}
		if e.Kind == history.FaultBegan {
			open[e.Note]++
		} else if e.Kind == history.FaultEnded {
			if open[e.Note]--; open[e.Note] == 0 {
				delete(open, e.Note)
			}
		}
	}
}

// inOrder reports whether the quiet time was long enough for everything to be in order in the end, and judges that.
func (j *judge) inOrder(quiet span) bool {
	at := quiet.from + j.bound(quiet.from)
	all := j.alive(quiet.from, quiet.to)
	if at >= quiet.to || len(all) == 0 || slices.ContainsFunc(all, func(s *server) bool { return s.stuck || s.shards != all[0].shards }) {
		return false
	}
	count, ok := map[string]int{}, true
	for i := range all[0].shards {
		lease := shardLease(i)
		at := slices.IndexFunc(j.stints, func(one *stint) bool {
			return one.lease == lease && one.from <= at && one.cancelled >= quiet.to && one.of.to >= quiet.to
		})
		if at < 0 {
			j.wrong("unowned", quiet.to, "", "%s has no holder, or more than one, though all has been well for %v", lease, quiet.to-quiet.from)
			ok = false
			continue
		}
		count[j.identity(j.stints[at].of)]++
	}
	members := map[string]bool{}
	for _, s := range all {
		members[j.identity(s)] = true
	}
	for name := range members {
		if least := all[0].shards / len(members); ok && (count[name] < least || count[name] > least+1) {
			j.wrong("balanced", quiet.to, name, "serves %d of %d shards, %d replicas", count[name], all[0].shards, len(members))
			ok = false
		}
	}
	return ok
}

// moves judges what happened between two times in which everything was in order, if one replica has joined, left or
// crashed and that was all.
func (j *judge) moves(since []history.Event, to time.Duration) {
	if len(since) == 0 || j.twins() {
		return
	}
	began, who, lapses := since[0].At, "", !j.plan.Replicas[0].Release
	kinds := map[history.Kind]int{}
	for _, e := range since {
		_, kind, _ := strings.Cut(e.Note, " ")
		if (e.Kind == history.FaultBegan || e.Kind == history.FaultEnded) && !slices.Contains(goings, Kind(kind)) {
			return
		}
		seat, _, _ := strings.Cut(e.Replica, "#")
		if who != "" && seat != who {
			return
		}
		who = seat
		kinds[e.Kind]++
		lapses = lapses || e.Kind == history.ProcessEnded && !e.OK // it was killed, or its work did not stop
	}
	last := since[len(since)-1].At
	members := len(j.alive(last, to))
	if members == 0 {
		return
	}
	moved, n := j.begun(began, to), j.alive(last, to)[0].shards
	l := j.limits
	most, within := n/members, 4*l.RetryPeriod+20*j.plan.Distance+time.Second
	switch {
	case kinds[history.ProcessStarted] == 1 && kinds[history.ProcessEnded] == 0:
	case kinds[history.ProcessEnded] == 1 && kinds[history.ProcessStarted] == 0:
		most = j.ending(began, last)
		if lapses {
			within = l.LeaseDuration + 600*time.Millisecond + 6*j.plan.Distance
		}
	default:
		return
	}
	if len(moved) != most {
		j.wrong("moves", began, who, "%d of %d shards have moved, want %d", len(moved), n, most)
	}
	for _, one := range moved {
		before := j.before(one)
		if before == nil {
			continue
		}
		if gap := one.from - before.to; gap > within {
			j.wrong("moves", one.from, one.of.name, "%s was not served for %v, want %v", one.lease, gap, within)
			return
		}
	}
}

// twins reports whether two replicas have one name.
func (j *judge) twins() bool {
	return slices.ContainsFunc(j.plan.Replicas, func(r Replica) bool { return r.Identity == "same" })
}

// begun returns the stints that began in a time.
func (j *judge) begun(from, to time.Duration) (all []*stint) {
	for _, one := range j.stints {
		if one.from >= from && one.from < to {
			all = append(all, one)
		}
	}
	return all
}

// ending returns how many stints ended in a time, or were cut short by the end of their process.
func (j *judge) ending(from, to time.Duration) (n int) {
	for _, one := range j.stints {
		if one.from < from && one.cancelled >= from && one.cancelled <= to {
			n++
		}
	}
	return n
}

// before returns the stint of the same shard that came before.
func (j *judge) before(next *stint) (last *stint) {
	for _, one := range j.stints {
		if one.lease == next.lease && one != next && one.from < next.from && (last == nil || one.from > last.from) {
			last = one
		}
	}
	return last
}
