// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package history

import (
	"strconv"
)

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

// fence judges the receiver of the work's effects.
func fence(w *world, _ Limits) (found []Violation) {
	var last uint64
	for _, e := range w.history {
		if e.Kind != Acted && e.Kind != Served || !e.OK || e.Token == "" {
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
