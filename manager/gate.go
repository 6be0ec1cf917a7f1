// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/kube-elector/elector/elector"
)

var _ manager.LeaderElectionRunnable = (*Gate)(nil)

// Gate runs runnables while an Elector leads. Manager has one inside. For a
// manager and an Elector of your own:
//
//	gate := manager.NewGate(logger)
//	e, err := elector.New(config, clientset, gate.Callbacks(elector.Callbacks{}), logger)
//	err = gate.Add(reconciler)
//	err = mgr.Add(gate) // mgr was made with LeaderElection: false
//	err = mgr.Add(e)
//
// The gated runnables start when both the Gate has been started and a term has
// begun. They stop when the term ends, and the Elector waits for them before it
// releases the Lease. All methods may be called concurrently.
type Gate struct {
	log     *slog.Logger
	terms   *termSource // what EachTerm has; nil without
	leading func()      // called when a term's runnables have been started

	ready   chan struct{} // closed when runnables may start
	stopped chan struct{} // closed when Start returns
	failed  chan error    // holds the first failure

	mu      sync.Mutex // guards all below
	waiting []manager.Runnable
	warm    *group // warm-ups; nil before Start
	term    *group // nil between terms
	spent   bool   // runnables have run that cannot run again
	started bool
	closed  bool
}

// NewGate makes a Gate with nothing in it. A nil logger means slog.Default().
func NewGate(logger *slog.Logger) *Gate {
	if logger == nil {
		logger = slog.Default()
	}
	return &Gate{
		log: logger, leading: func() {},
		ready: make(chan struct{}), stopped: make(chan struct{}), failed: make(chan error, 1),
	}
}

// Add gates a runnable, whatever it says about leader election: it is started
// in the first term, or at once if one has begun. It runs in one term only, as
// most runnables (controllers among them) cannot be started twice; see
// ErrLeadershipLost. If it has controller-runtime's Warmup method, that is
// called when the Gate is started. Add returns ErrStopped once the Gate has
// stopped or failed.
func (g *Gate) Add(r manager.Runnable) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return fmt.Errorf("%s: %w", describe(r), ErrStopped)
	}
	guard(r)
	g.warmUpLocked(r)
	g.waiting = append(g.waiting, r)
	g.releaseLocked()
	return nil
}

// warmUpLocked calls the runnable's Warmup if the Gate has been started.
func (g *Gate) warmUpLocked(r manager.Runnable) {
	if w, ok := r.(warmable); ok && g.warm != nil {
		g.warm.start("warm-up of "+describe(r), w.Warmup)
	}
}

// releaseLocked starts what waits, if a term has begun and is not over.
func (g *Gate) releaseLocked() {
	for g.term != nil && len(g.waiting) > 0 {
		r := g.waiting[0]
		if !g.term.start(describe(r), r.Start) {
			return
		}
		g.spent = true
		g.waiting = g.waiting[1:]
	}
}

// NeedLeaderElection returns false: every replica's manager runs its Gate.
func (g *Gate) NeedLeaderElection() bool { return false }

// Start lets gated runnables run, until ctx ends; then it returns nil. It
// returns the first error of a gated runnable, or of its warm-up, as soon as
// there is one, and ErrLeadershipLost when a term has been lost. When it
// returns, the gated runnables have been told to stop; it is the Elector that
// waits for them. It can be called once.
func (g *Gate) Start(ctx context.Context) error {
	if err := g.open(ctx); err != nil {
		return err
	}
	defer g.stop()
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	var terms sync.WaitGroup
	defer func() { cancel(); terms.Wait() }()
	if g.terms == nil {
		close(g.ready)
	} else {
		terms.Go(func() { g.terms.run(inner, g) })
	}
	select {
	case err := <-g.failed:
		return err
	case <-ctx.Done():
		return nil
	}
}

func (g *Gate) open(ctx context.Context) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.started {
		return errors.New("gate was started before")
	}
	g.started = true
	g.warm = newGroup(ctx, g.fail, g.log)
	for _, r := range g.waiting {
		g.warmUpLocked(r)
	}
	return nil
}

func (g *Gate) stop() {
	close(g.stopped)
	g.mu.Lock()
	g.closed = true
	warm, term := g.warm, g.term
	g.mu.Unlock()
	select {
	case err := <-g.failed: // came together with the end of Start's context
		g.log.Error("gated work failed while stopping", "err", err)
	default:
	}
	if term != nil {
		term.cancel(elector.ErrStopped)
	}
	warm.close()
	warm.cancel(elector.ErrStopped)
	warm.wait()
}

// fail ends the Gate: Start returns err, unless it has another reason already.
func (g *Gate) fail(err error) {
	g.mu.Lock()
	first := !g.closed
	g.closed = true
	g.mu.Unlock()
	if first {
		g.failed <- err // has room for one
		return
	}
	g.log.Error("gated work failed while stopping", "err", err)
}

// Callbacks returns the Callbacks for the Elector that is to drive the Gate:
// next with the Gate in front. next.OnStartedLeading is called when the term's
// runnables have been started, next.OnStoppedLeading when they have returned.
func (g *Gate) Callbacks(next elector.Callbacks) elector.Callbacks {
	gated := next
	gated.OnStartedLeading = func(ctx context.Context) {
		end := g.lead(ctx)
		if next.OnStartedLeading != nil {
			next.OnStartedLeading(ctx)
		}
		end()
	}
	return gated
}
