// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package history

import (
	"time"
)

// kept judges times without faults, or with harmless ones only, in which no leader may lose its term. It also judges
// terms that were reported as lost to another process though they never were.
func kept(w *world, l Limits) (found []Violation) {
	troubled := w.faults(l, "", false)
	for _, t := range w.terms(l) {
		if t.cancelled == never || t.voluntary() || t.over < t.cancelled {
			continue
		}
		if !anyOverlaps(troubled, span{t.cancelled - 1, t.cancelled + 1}) {
			found = append(found, violation(t.cancelled, t.of.name, "lost its term, though all was well: %s", t.cause))
		} else if (t.cause == CauseTakenOver || t.cause == CauseDeleted) && t.undisputed(w.history) && !w.lied(l, t.of.name, t.cancelled) {
			found = append(found, violation(t.cancelled, t.of.name, "lost its term, though it held the Lease: %s", t.cause))
		}
	}
	return found
}

// lied reports whether the API server told the process at the given time, or shortly before, that there was no Lease.
func (w *world) lied(l Limits, process string, at time.Duration) bool {
	return anyOverlaps(faults(w.lies, l, process, true), span{at, at + 1})
}

// undisputed says whether nobody else has written to the Lease from the write that acquired it to the end of the term.
func (t *term) undisputed(h History) bool {
	acquired := false
	from := 0
	if t.acquired >= 0 && deref(h[t.acquired].After).Version == t.token {
		from = t.acquired
	}
	for _, e := range h[from:] {
		if e.At > t.cancelled {
			break
		}
		if e.Kind != LeaseWrite {
			continue
		}
		if acquired && e.Replica != t.of.name && e.changesHolder() {
			return false
		}
		acquired = acquired || e.Replica == t.of.name && t.token != "" && deref(e.After).Version == t.token
	}
	return acquired
}
