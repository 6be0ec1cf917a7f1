// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package report

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/kube-elector/elector/elector"
)

// Elector is what a Reporter looks at: an *elector.Elector.
type Elector interface {
	Term() (elector.Term, bool)
	Remaining() time.Duration
	GetLeader() string
}

// Reporter makes the Reports of one replica. Its methods may be called concurrently.
type Reporter struct {
	every  time.Duration
	logger *slog.Logger

	mu         sync.Mutex // guards what is below
	reconciled int64
	worked     string          // token of the last term that was reported to have worked
	term       context.Context // the last term's
}

// New makes a Reporter that reports the state every so often. If every is 0, it reports nothing at all.
func New(every time.Duration, logger *slog.Logger) *Reporter {
	if every <= 0 {
		logger = slog.New(slog.DiscardHandler)
	}
	return &Reporter{every: every, logger: logger}
}

// Run reports e's state until ctx is done.
func (r *Reporter) Run(ctx context.Context, e Elector) {
	if r.every <= 0 {
		return
	}
	tick := time.NewTicker(r.every)
	defer tick.Stop()
	for {
		r.state(e).Log(r.logger)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (r *Reporter) state(e Elector) Report {
	term, leading := e.Term()
	r.mu.Lock()
	defer r.mu.Unlock()
	return Report{
		Event: EventState, Leading: leading, Term: term.Transitions, Token: string(term.Token),
		Remaining: e.Remaining(), Reconciled: r.reconciled, Leader: e.GetLeader(),
	}
}

// Worked counts a reconcile of term, and reports the first.
func (r *Reporter) Worked(term elector.Term) {
	r.mu.Lock()
	r.reconciled++
	first := r.worked != string(term.Token)
	r.worked = string(term.Token)
	r.mu.Unlock()
	if first {
		event(EventWorked, term).Log(r.logger)
	}
}

// WorkedInShard counts a reconcile of a shard's term. There are many of those, and it reports nothing about them.
func (r *Reporter) WorkedInShard(elector.Term) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reconciled++
}

// Callbacks reports the beginning and the end of each term.
func (r *Reporter) Callbacks() elector.Callbacks {
	return elector.Callbacks{OnStartedLeading: r.started, OnStoppedLeading: r.stopped}
}

func (r *Reporter) started(ctx context.Context) {
	term, _ := elector.TermFromContext(ctx)
	r.mu.Lock()
	r.term = ctx
	r.mu.Unlock()
	event(EventLeading, term).Log(r.logger)
}

func (r *Reporter) stopped() {
	r.mu.Lock()
	ctx := r.term
	r.mu.Unlock()
	term, _ := elector.TermFromContext(ctx)
	report := event(EventStopped, term)
	report.Cause = context.Cause(ctx).Error()
	report.Log(r.logger)
}

func event(what string, term elector.Term) Report {
	return Report{Event: what, Term: term.Transitions, Token: string(term.Token)}
}
