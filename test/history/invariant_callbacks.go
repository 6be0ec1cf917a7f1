// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package history

import (
	"slices"
)

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
