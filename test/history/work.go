// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package history

import (
	"slices"
	"strconv"
	"time"
)

// workStops: until its allowance is over, work may act; and while a voluntary end is under way, as long as IsLeader says
// so. The term of a process that is frozen ends, too. When it has woken up it has Wake to find out.
func workStops(w *world, l Limits) (found []Violation) {
	for _, t := range w.terms(l) {
		for _, act := range t.acts {
			end := t.valid().to
			if t.voluntary() {
				end = max(end, lastBefore(t.of.leads, act.At, end))
			}
			if own, ok := w.writes[t.of.name]; ok {
				end = min(end, lastBefore(own, act.At, t.started)+l.RenewDeadline)
			}
			if act.At-end > l.Allowance+l.Tolerance && t.of.awake(act.At, l) {
				found = append(found, violation(act.At, t.of.name, "works %v after the end of its term", act.At-end))
			}
		}
	}
	return found
}

// Zombies are the acts of frozen processes that woke up when their time had passed: all that a lease cannot prevent.
type Zombies struct {
	Woken    int           // processes thawed when the time of the term they were in had passed
	Acts     int           // what they did before they knew
	Accepted int           // and was not refused
	Longest  time.Duration // from waking up to the last such act
}

// CountZombies finds them.
func CountZombies(h History, l Limits) (z Zombies) {
	w := read(h)
	for _, t := range w.terms(l) {
		for _, f := range t.of.frozen {
			if f.from < t.started || f.from >= t.valid().to || f.to == never ||
				f.to < lastBefore(w.writes[t.of.name], f.to, t.started)+l.RenewDeadline {
				continue
			}
			z.Woken++
			for _, act := range t.acts {
				if act.At >= f.to {
					z.Acts++
					z.Longest = max(z.Longest, act.At-f.to)
					if act.OK {
						z.Accepted++
					}
				}
			}
		}
	}
	return z
}

// callbacks goes through each process's as through a small machine with three states.
func callbacks(w *world, l Limits) (found []Violation) {
	state := map[string]Kind{}
	before := map[Kind][]Kind{
		TermStarted:   {"", TermStopped},
		TermCancelled: {TermStarted},
		WorkReturned:  {TermStarted, TermCancelled},
		TermStopped:   {WorkReturned},
	}
	for _, e := range w.history {
		allowed, ok := before[e.Kind]
		p := w.processes[e.Replica]
		if !ok || !p.judged(l) {
			continue
		}
		last := state[e.Replica]
		if e.Kind == TermCancelled && last == WorkReturned {
			continue // the work may return early, and leads on
		}
		if !slices.Contains(allowed, last) {
			found = append(found, violation(e.At, e.Replica, "%q after %q", e.Kind, last))
		}
		state[e.Replica] = e.Kind
	}
	for _, t := range w.terms(l) {
		if t.over != never && t.returned == never && t.over != t.of.alive.to {
			found = append(found, violation(t.over, t.of.name, "stopped before its work returned"))
		}
	}
	return found
}

// tokensRise looks at those who have tokens.
func tokensRise(w *world, l Limits) (found []Violation) {
	acquired := map[string]string{} // author by version
	var last uint64
	for _, e := range w.history {
		if e.Kind == LeaseWrite && e.After != nil {
			acquired[e.After.Version] = e.Replica
		}
		if e.Kind != TermStarted || e.Token == "" || !w.processes[e.Replica].judged(l) {
			continue
		}
		token, err := strconv.ParseUint(e.Token, 10, 64)
		switch {
		case err != nil:
			found = append(found, violation(e.At, e.Replica, "token: %v", err))
		case token <= last:
			found = append(found, violation(e.At, e.Replica, "token %d after %d", token, last))
		case len(acquired) > 0 && acquired[e.Token] != e.Replica:
			found = append(found, violation(e.At, e.Replica, "token %d is not the version of a write of its own", token))
		}
		last = max(last, token)
	}
	return found
}

// fence is about the receiver of the work's effects.
func fence(w *world, _ Limits) (found []Violation) {
	var last uint64
	for _, e := range w.history {
		if e.Kind != Acted || !e.OK || e.Token == "" {
			continue
		}
		token, err := strconv.ParseUint(e.Token, 10, 64)
		if err != nil || token < last {
			found = append(found, violation(e.At, e.Replica, "token %q was accepted after %d", e.Token, last))
		}
		last = max(last, token)
	}
	return found
}
