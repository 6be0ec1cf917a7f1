// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	ctrl "sigs.k8s.io/controller-runtime"
)

// termSource builds, ahead of each term, what EachTerm's set-ups make of it.
type termSource struct {
	parent   ctrl.Manager
	stepDown func(context.Context) error
	log      *slog.Logger
	setups   []func(ctrl.Manager) error
	indexes  *indexes
	fences   []FenceOption
	next     chan offer
}

func newTermSource(parent ctrl.Manager, stepDown func(context.Context) error, log *slog.Logger, fences ...FenceOption) *termSource {
	return &termSource{
		parent: parent, stepDown: stepDown, log: log, fences: fences, next: make(chan offer),
		indexes: &indexes{FieldIndexer: parent.GetFieldIndexer(), scheme: parent.GetScheme(), known: map[index]bool{}},
	}
}

// offer is the next term's runnables, or why there are none.
type offer struct {
	set *termManager
	err error
}

// retries is how a set-up that failed is tried again.
var retries = wait.Backoff{Duration: 500 * time.Millisecond, Factor: 2, Jitter: 0.1, Steps: 100, Cap: 30 * time.Second}

// run has one set of runnables built and warmed up at any time, until ctx ends.
// A set-up that fails the first time fails the gate. Later ones are tried again.
func (s *termSource) run(ctx context.Context, g *Gate) {
	set, err := s.build(ctx, g)
	if err != nil {
		g.fail(err)
		return
	}
	close(g.ready)
	for backoff := retries; ; {
		if err == nil {
			backoff = retries
			s.serve(ctx, set)
		} else {
			s.log.ErrorContext(ctx, "cannot prepare for the next term", "err", err)
			s.refuse(ctx, err, backoff.Step())
		}
		if ctx.Err() != nil {
			return
		}
		set, err = s.build(ctx, g)
	}
}

func (s *termSource) build(ctx context.Context, g *Gate) (*termManager, error) {
	set := newTermManager(ctx, s, g)
	for _, setup := range s.setups {
		if err := setup(set); err != nil {
			set.discard()
			return nil, fmt.Errorf("EachTerm: %w", err)
		}
	}
	set.warmUp()
	return set, nil
}

// serve hands the set to the next term and waits until that is over.
func (s *termSource) serve(ctx context.Context, set *termManager) {
	defer set.discard()
	select {
	case s.next <- offer{set: set}:
	case <-ctx.Done():
		return
	}
	select {
	case <-set.over:
	case <-ctx.Done():
	}
}

// refuse tells a term that waits, or begins before it is time to try again,
// that there is nothing to run.
func (s *termSource) refuse(ctx context.Context, err error, pause time.Duration) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	for {
		select {
		case s.next <- offer{err: err}:
		case <-timer.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// take returns the runnables for the term of ctx, or nil if it is to end
// without any. Where the set-up has failed it lets another replica lead.
func (s *termSource) take(ctx context.Context, stopped <-chan struct{}) *termManager {
	select {
	case o := <-s.next:
		if o.err != nil {
			s.log.ErrorContext(ctx, "stepping down, as there is nothing to run", "err", o.err)
			// Given the term's own context it returns when that has ended; the
			// rest of stepping down waits for us.
			_ = s.stepDown(ctx)
		}
		return o.set
	case <-stopped:
	case <-ctx.Done():
	}
	return nil
}
