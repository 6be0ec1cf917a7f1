// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"context"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/kube-elector/elector/elector"
)

// termWork is what runs in the current term.
type termWork struct {
	*group
	tenure *tenure
}

// lead starts a term's work. The function it returns waits for the term's end and for the work.
func (g *Gate) lead(ctx context.Context) (end func()) {
	if !g.await(ctx) {
		return func() {}
	}
	term := &termWork{group: newGroup(ctx, g.fail, g.log)}
	if !g.begin(term) {
		return func() {}
	}
	g.leading()
	withdrawn := g.serve(term.ctx)
	return func() {
		<-term.ctx.Done()
		g.end(term)
		withdrawn()
	}
}

// patience is how long a term waits in silence for something to run.
const patience = 10 * time.Second

// await waits until work may start. It reports false if the term or the Gate ends first.
func (g *Gate) await(ctx context.Context) bool {
	select {
	case <-g.ready:
		return true
	default:
	}
	slow := time.AfterFunc(patience, func() {
		g.log.Error("leading, but nothing runs: the Gate has not been started (mgr.Add(gate) starts it)")
	})
	defer slow.Stop()
	select {
	case <-g.ready:
		return true
	case <-g.stopped:
	case <-ctx.Done():
	}
	return false
}

// begin starts the term's work. It reports false if there must be none.
func (g *Gate) begin(t *termWork) bool {
	g.mu.Lock()
	if g.closed {
		g.mu.Unlock()
		return false
	}
	resumed := g.past.begun && g.resumed(t.ctx)
	if err := g.mayBeginLocked(resumed); err != nil {
		g.mu.Unlock()
		g.fail(err)
		return false
	}
	if !g.past.begun && !g.divided() {
		close(g.elected)
	}
	g.past = past{begun: true, identity: identityOf(t.ctx)}
	t.tenure = newTenure(t.ctx, everything)
	g.term = t
	g.startLocked()
	for _, f := range g.work.each {
		t.start(describe(manager.RunnableFunc(f)), f)
	}
	g.mu.Unlock()
	// The workers are waiting by now.
	g.tenures.open(t.tenure)
	if !g.divided() {
		g.listeners.listen(!resumed)
	}
	return true
}

// end waits for the term's work, and decides what the end of the term means.
func (g *Gate) end(t *termWork) {
	cause := context.Cause(t.ctx)
	idle := g.tenures.close(t.tenure, cause)
	t.close()
	g.mu.Lock()
	spent := len(g.reliance) > 0
	g.mu.Unlock()
	// The workers of a controller that could not be gated wait at its queue, and that is shut down by the context its
	// warm-up was given, if there was one: unless that ends too, they never return.
	if spent {
		g.warm.cancel(cause)
	}
	<-idle
	t.wait()
	g.mu.Lock()
	g.term = nil
	err := g.concludeLocked(cause)
	last := g.stopping && g.idleLocked()
	g.mu.Unlock()
	if err != nil {
		g.fail(err)
	}
	if last {
		g.finish()
	}
}

func identityOf(ctx context.Context) string {
	term, _ := elector.TermFromContext(ctx)
	return term.Identity
}
