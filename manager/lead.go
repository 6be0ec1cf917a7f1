// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/kube-elector/elector/elector"
)

// lead starts a term's runnables. The function it returns waits for the term's
// end and for the runnables.
func (g *Gate) lead(ctx context.Context) (end func()) {
	set, ok := g.await(ctx)
	if !ok {
		return func() {}
	}
	term := newGroup(ctx, g.fail, g.log)
	if !g.begin(term) {
		return func() {}
	}
	if set != nil {
		set.begin(term)
	}
	g.leading()
	return func() {
		<-term.ctx.Done()
		g.end(term, set)
	}
}

// patience is how long a term waits in silence for something to run.
const patience = 10 * time.Second

// await waits until runnables may start, and for those of EachTerm. It reports
// false if the term or the Gate ends first, or there is nothing to run.
func (g *Gate) await(ctx context.Context) (set *termManager, ok bool) {
	slow := time.AfterFunc(patience, func() {
		g.log.Error("leading, but nothing runs: the Gate has not been started (mgr.Add(gate) sees to that), or a set-up of EachTerm does not return")
	})
	defer slow.Stop()
	select {
	case <-g.ready:
	case <-g.stopped:
		return nil, false
	case <-ctx.Done():
		return nil, false
	}
	if g.terms == nil {
		return nil, true
	}
	set = g.terms.take(ctx, g.stopped)
	return set, set != nil
}

func (g *Gate) begin(term *group) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	g.term = term
	g.releaseLocked()
	return true
}

func (g *Gate) end(term *group, set *termManager) {
	term.close()
	cause := context.Cause(term.ctx)
	g.mu.Lock()
	spent := g.spent
	g.mu.Unlock()
	// A controller's workers wait at its queue, and that is shut down by the
	// context its warm-up was given, if there was one: unless that ends too,
	// they never return.
	if spent {
		g.warm.cancel(cause)
	}
	if set != nil {
		set.cool(cause)
	}
	term.wait()
	if set != nil {
		close(set.over)
	}
	if spent && !errors.Is(cause, elector.ErrStopped) {
		g.fail(fmt.Errorf("%w: %w", ErrLeadershipLost, cause))
	}
	g.mu.Lock()
	g.term = nil
	g.mu.Unlock()
}

// Running names the current term's runnables that have not returned, for
// messages such as about elector.ErrDrainTimeout. There is none between terms.
func (g *Gate) Running() []string {
	g.mu.Lock()
	term := g.term
	g.mu.Unlock()
	if term == nil {
		return nil
	}
	return term.names()
}
