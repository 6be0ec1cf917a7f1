// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"context"
	"time"

	"github.com/kube-elector/elector/elector/internal/lease"
)

// A Part is a share of a term's work that a Lease of its own stands for, such as a shard of package shards. Its term is
// worth no more than the term it is a part of, and may end before that. All methods may be called concurrently.
type Part struct{ term *term }

// Part returns a part of the term, which info describes by the Token, Transitions, AcquiredAt and Resumed of the part's
// own Lease. The part's context has ctx's values, and ends with ctx and with the term. Its cause says why. Part reads
// and writes no Lease: it is for packages that claim Leases themselves, and release them after [Part.Close] only.
func (t Term) Part(ctx context.Context, info Term) *Part {
	info.Identity = t.Identity
	p := newTerm(ctx, info, "", 0, lease.Now())
	p.whole = t.state
	p.ctx, p.cancel = context.WithCancelCause(context.WithValue(ctx, termKey{}, p))
	if t.state == nil { // not a term
		p.lose(ErrLeaseExpired)
	}
	return &Part{term: p}
}

// Context returns the part's context. [TermFromContext] finds the part's term in it.
func (p *Part) Context() context.Context { return p.term.ctx }

// Term returns the part's term.
func (p *Part) Term() Term { return p.term.Term }

// Remaining returns how long the part is still certain; see [Term.Remaining].
func (p *Part) Remaining() time.Duration { return p.term.remaining() }

// Cancel ends the part's context, with a cause. The part's term lasts until [Part.Close], while the work ends.
func (p *Part) Cancel(cause error) { p.term.cancel(cause) }

// Lose ends the part's term at once, since its Lease was lost.
func (p *Part) Lose(cause error) { p.term.lose(cause) }

// Close ends the part's term after its work has returned.
func (p *Part) Close() {
	p.term.retire()
	p.term.cancel(ErrStopped)
}

// Wait waits, after Close, until all holds of the part's term are given back; see [Term.Hold]. Those of a term that is
// lost just end.
func (p *Part) Wait() {
	var lost <-chan struct{}
	if whole := p.term.whole; whole != nil {
		lost = whole.lost
	}
	select {
	case <-p.term.unheld():
	case <-p.term.lost:
	case <-lost:
	}
}

// Complete returns a copy of the config with its zero fields filled in, as [New] does it: durations, Identity and
// LeaseNamespace. Each call makes another default Identity. It returns an error if a default cannot be found.
func (c Config) Complete() (Config, error) { return c.withDefaults() }
