// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package history

import "time"

// held is the record a write finds: who wrote it, and when it last changed.
type held struct {
	author string
	from   time.Duration // since when this author has written it
	since  time.Duration
	length time.Duration // how long it must be left alone
}

// eachWrite calls look for every write of the election's record, with what it found.
func eachWrite(h History, l Limits, look func(e Event, found held)) {
	var now held
	for _, e := range h {
		if e.Kind != LeaseWrite || !e.changesRecord() {
			continue
		}
		look(e, now)
		if e.Replica != now.author || deref(e.Before) == (Record{}) {
			now.from = e.At
		}
		now.since = e.At
		if e.changesHolder() {
			now.author = e.Replica
		}
		if after := deref(e.After); after.Holder != "" {
			now.length = min(after.duration(), l.MaxLease)
			if after.Seconds <= 0 {
				now.length = l.Unnamed
			}
		}
	}
}

// released is about the writes that blank a holder, and deletions, which no candidate makes.
func released(w *world, l Limits) (found []Violation) {
	eachWrite(w.history, l, func(e Event, was held) {
		p := w.processes[e.Replica]
		before, after := deref(e.Before), deref(e.After)
		if !p.judged(l) || before.Holder == "" || after.Holder != "" {
			return
		}
		if after == (Record{}) {
			found = append(found, violation(e.At, e.Replica, "deleted the Lease of %q", before.Holder))
			return
		}
		if was.author != e.Replica {
			found = append(found, violation(e.At, e.Replica, "blanked the record of %q, written by %q", before.Holder, was.author))
		}
		for _, t := range p.terms {
			if t.started < e.At && t.over > e.At {
				found = append(found, violation(e.At, e.Replica, "released the Lease before its work had ended"))
			}
		}
	})
	return found
}

// respect is about claims. Everybody counts from when he saw the record change, which is after it did. A Lease that has
// been deleted is free for those who did not see it held. So it is asked only of those who were well, and of records that
// had been there for Notice.
func respect(w *world, l Limits) (found []Violation) {
	deleted := time.Duration(0)
	var lost held // what was deleted
	eachWrite(w.history, l, func(e Event, was held) {
		if deref(e.After) == (Record{}) {
			if deleted, lost = e.At, was; deref(e.Before).Holder == "" {
				lost = held{} // it had been released: nobody's time has to pass
			}
			return
		}
		p := w.processes[e.Replica]
		before := deref(e.Before)
		switch {
		case !p.judged(l) || e.After.Holder == "":
			return
		case before.Holder != "":
		case before == (Record{}) && lost.author != "" && e.At >= lost.from+l.Notice && p.alive.from+l.Settle < deleted &&
			!anyOverlaps(faults(w.history, l, e.Replica, true), span{lost.since - l.Settle, e.At + 1}):
			was = lost
		default:
			return
		}
		wait := time.Duration(float64(was.length) / (1 + l.Skew))
		if was.author != e.Replica && e.At < was.since+wait-l.Tolerance {
			found = append(found, violation(e.At, e.Replica, "claimed the Lease %v after %q had written it, for %v",
				e.At-was.since, was.author, was.length))
		}
	})
	return found
}
