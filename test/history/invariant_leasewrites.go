// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package history

import (
	"slices"
	"time"
)

// A held is the record that a write finds, with its author and its time.
type held struct {
	author string
	from   time.Duration // since when this author has written it
	since  time.Duration // edits of it by others do not count
	length time.Duration // how long it must be left alone
	edited time.Duration // the same for those who saw only what became of it, and no longer than length
	// full is how long it must be left alone by those who saw it renewed, from the time renewed on.
	full, renewed time.Duration
	// replaced are the records that had not lapsed when they were deleted or another's was written over them. Their
	// writers may lead on. It does not matter for a blank in the place of a record, which may be a release.
	replaced  []held
	before    time.Duration // when the record before it was written that lasted
	gone      time.Duration // when this was replaced
	reapplied bool          // it was written by an administrator
	again     bool          // It had been there before. Those who saw it then, and nothing since, do not know that it is new.
}

// seen returns since when a candidate must have been well to have seen the record. One that was gone at once is shown
// by a watch only, and nothing has shown since the one before it that lasted that a watch was dead.
func (r held) seen(l Limits) time.Duration {
	if r.gone < r.from+l.Notice {
		return r.before
	}
	return r.since
}

func (r held) lapsed(at time.Duration) bool { return r.since+r.length <= at }

// signature is what one write of a holder has in common with none of another.
type signature struct{ holder, renewed string }

// eachWrite calls look for every write of the election's record, with what it found. A record that somebody has put
// back is of the process that wrote it first.
// It returns what is there at last.
func eachWrite(h History, l Limits, look func(e Event, found held)) (now held) {
	authors := map[signature]string{}
	for _, e := range h {
		if e.Kind != LeaseWrite || !e.changesRecord() {
			continue
		}
		look(e, now)
		if e.changesHolder() {
			now = now.overwritten(e, l, authors)
		} else if after := deref(e.After); after.Holder != "" {
			now.edited = min(now.edited, l.length(after))
		}
	}
	return now
}

// overwritten returns what is there after the write e of another record.
func (r held) overwritten(e Event, l Limits, authors map[signature]string) held {
	before, after := deref(e.Before), deref(e.After)
	now := held{
		author: e.Replica, from: e.At, since: e.At, length: l.length(after), edited: l.length(after), full: after.duration(),
		renewed: never, replaced: r.stillReplaced(e.At), reapplied: e.Replica == "", before: r.from,
	}
	if e.At < r.from+l.Settle || e.Before == nil {
		now.before = r.before
	}
	s := signature{after.Holder, after.Renewed}
	if e.Replica == "" {
		now.author, now.again = authors[s]
	}
	authors[s] = now.author
	switch {
	case e.Replica != "" && after.Holder != "":
		now.replaced = nil // it was asked of this claim
		if r.author == e.Replica && before.Holder == after.Holder && before.UID == after.UID {
			now.renewed, now.from, now.before = r.since, r.from, r.before
		}
	case before.Holder != "" && after.Holder == "" && before.UID == after.UID:
		now.replaced = nil
	case before.Holder != "" && !r.lapsed(e.At):
		r.replaced, r.gone = nil, e.At
		now.replaced = append(now.replaced, r)
	}
	return now
}

// length returns how long a record must be left alone at least.
func (l Limits) length(r Record) time.Duration {
	if r.Seconds <= 0 {
		return l.Unnamed
	}
	return min(r.duration(), l.MaxLease)
}

// stillReplaced returns those of the replaced records that have not lapsed.
func (r held) stillReplaced(at time.Duration) []held {
	if len(r.replaced) == 0 {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(r.replaced), func(r held) bool { return r.lapsed(at) })
}

// released judges the writes that blank a holder, and deletions, which no candidate makes.
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
			if (t.cancelled == never || t.voluntary()) && anyOverlaps(t.holds, span{e.At, e.At + 1}) {
				found = append(found, violation(e.At, e.Replica, "released the Lease while a hold was open"))
			}
		}
	})
	return found
}

// respect judges claims. Every candidate counts from when it saw the record change, which is after the change. A record
// that was deleted, replaced or edited still counts as it was for those who saw it. So this is only demanded of
// candidates that were well, and for records that had been there for Notice.
func respect(w *world, l Limits) (found []Violation) {
	eachWrite(w.history, l, func(e Event, was held) {
		p := w.processes[e.Replica]
		if !p.judged(l) || deref(e.After).Holder == "" {
			return
		}
		judge := func(r held, length time.Duration) {
			wait := time.Duration(float64(length) / (1 + l.Skew))
			if r.author != e.Replica && e.At < r.since+wait-l.Tolerance && !w.proved(l, r.author, e) {
				found = append(found, violation(e.At, e.Replica, "claimed the Lease %v after %q had written it, for %v",
					e.At-r.since, r.author, length))
			}
		}
		saw := func(since, gone time.Duration) bool {
			return p.alive.from+l.Settle < gone && !anyOverlaps(w.faults(l, e.Replica, true), span{since - l.Settle, e.At + 1})
		}
		if deref(e.Before).Holder != "" {
			switch {
			case was.author == e.Replica && !was.reapplied:
				return // a renewal
			case was.renewed != never && saw(was.renewed, was.renewed):
				judge(was, was.full)
			case saw(was.since, was.since):
				judge(was, was.length)
			case !was.again:
				judge(was, was.edited)
			}
		}
		for _, r := range was.replaced {
			if r.author != "" && e.At >= r.from+l.Notice && saw(r.seen(l), r.gone) {
				judge(r, r.length)
			}
		}
	})
	return found
}
