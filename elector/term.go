// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"context"
	"time"
)

// Term is one uninterrupted time of leadership. Terms are comparable with ==.
type Term struct {
	// Token is the term's fencing token.
	Token Token
	// Identity is the Config's Identity.
	Identity string
	// Transitions is the Lease's leaseTransitions. It starts again at 0 when the
	// Lease is deleted, so it is no fencing token.
	Transitions int
	// AcquiredAt is when the acquiring write was sent, by this machine's clock.
	AcquiredAt time.Time

	state *term
}

// Remaining is how long this very term is still certain; 0 once it is over,
// also when a later term has begun. It may be called at any time, concurrently.
func (t Term) Remaining() time.Duration {
	if t.state == nil {
		return 0
	}
	return t.state.remaining()
}

type termKey struct{}

// TermFromContext returns the term whose context, given to OnStartedLeading,
// ctx is or descends from. It does not say whether the term still lasts: see
// Term.Remaining and ctx.Err.
func TermFromContext(ctx context.Context) (Term, bool) {
	t, ok := ctx.Value(termKey{}).(*term)
	if !ok {
		return Term{}, false
	}
	return t.Term, true
}
