// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"context"
	"sync"
	"time"
)

// Term is one uninterrupted time of leadership. Terms are comparable with ==.
type Term struct {
	// Token is the term's fencing token.
	Token Token
	// Identity is the Config's Identity.
	Identity string
	// Transitions is the Lease's leaseTransitions. It starts again at 0 when the Lease is deleted, so it is no fencing
	// token.
	Transitions int
	// AcquiredAt is when the acquiring write was sent, by this machine's clock.
	AcquiredAt time.Time
	// Resumed reports whether the claim replaced this very process's own record, left by its previous term. Then nobody
	// led between the two.
	Resumed bool

	state *term
}

// Remaining returns how long this very term is still certain if no further renewal succeeds; 0 once it is over, also
// when a later term has begun. A voluntary end can come earlier: see [Term.Hold]. It may be called at any time,
// concurrently.
func (t Term) Remaining() time.Duration {
	if t.state == nil {
		return 0
	}
	return t.state.remaining()
}

// Hold keeps the Lease from being released until release is called. Work of the term that runs outside OnStartedLeading
// needs it, such as an HTTP handler or a webhook: in a voluntary end the Elector waits for OnStartedLeading and for
// holds, and for nothing else, and another replica leads as soon as the Lease is released. OnStartedLeading and what it
// waits for need no hold.
//
// ok is false, and nothing is held, when the term is over, also when only its work has ended. A hold does not make a
// term last: a term that is lost is lost, so bound what you do by Remaining, read after Hold. Open holds delay the end
// by DrainTimeout at most; Start then returns [ErrDrainTimeout]. release is never nil, and all its calls but the first
// do nothing.
func (t Term) Hold() (release func(), ok bool) {
	if t.state == nil || !t.state.hold() {
		return func() {}, false
	}
	return sync.OnceFunc(t.state.unhold), true
}

type termKey struct{}

// TermFromContext returns the term whose context, given to OnStartedLeading, ctx is or descends from. It does not say
// whether the term still lasts: see Term.Remaining and ctx.Err.
func TermFromContext(ctx context.Context) (Term, bool) {
	t, ok := ctx.Value(termKey{}).(*term)
	if !ok {
		return Term{}, false
	}
	return t.Term, true
}
