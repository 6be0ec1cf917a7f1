// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"context"
	"errors"

	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/kube-elector/elector/elector"
)

// Start lets gated work run, until ctx ends; then it returns nil. It returns the first error of gated work, or of a
// warm-up, as soon as there is one, and [ErrLeadershipLost] when this process must not lead again. When it returns, the
// work of the current term has been told to stop; the Elector waits for it. It can be called once.
func (g *Gate) Start(ctx context.Context) error {
	if err := g.open(ctx); err != nil {
		return err
	}
	defer g.stop()
	close(g.ready)
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
	if g.life != nil {
		return errors.New("gate was started before")
	}
	// Controllers end after the last term, and not with ctx.
	outliving := context.WithValue(context.WithoutCancel(ctx), listenersKey{}, g.listeners)
	g.life = newGroup(outliving, g.fail, g.log)
	g.warm = newGroup(ctx, g.fail, g.log)
	for _, r := range g.work.once {
		g.warmUpLocked(r)
	}
	g.startLocked()
	g.warmedLocked()
	g.sayRuleLocked()
	return nil
}

// warmUpLocked calls the run-once runnable's Warmup if the Gate has been started.
func (g *Gate) warmUpLocked(r manager.Runnable) {
	if w, ok := r.(warmable); ok && g.warm != nil {
		g.warm.start("warm-up of "+describe(r), w.Warmup)
	}
}

// live warms a gated controller up, waits for the first term, and runs the controller.
func (g *Gate) live(r manager.Runnable) func(context.Context) error {
	return func(ctx context.Context) error {
		if !g.settings.cold {
			enableWarmup(r)
		}
		// Not while Start runs: it would only wait for the warm-up's mutex.
		if w, ok := r.(warmable); ok {
			if err := w.Warmup(ctx); err != nil {
				return err
			}
		}
		g.mu.Lock()
		g.cold--
		g.warmedLocked()
		g.mu.Unlock()
		select {
		case <-g.elected:
			return r.Start(ctx)
		case <-ctx.Done():
			return nil
		}
	}
}

// warmedLocked closes warmed when all controllers have warmed up for the first time.
func (g *Gate) warmedLocked() {
	if g.cold > 0 {
		return
	}
	select {
	case <-g.warmed:
	default:
		close(g.warmed)
	}
}

// startLocked starts what may start: controllers once the Gate has been started, run-once runnables while a term lasts.
func (g *Gate) startLocked() {
	if g.life != nil {
		for _, r := range g.work.waiting {
			if g.life.start(describe(r), g.live(r)) {
				g.cold++
			}
		}
		g.work.waiting = nil
	}
	for g.term != nil && len(g.work.once) > 0 {
		r := g.work.once[0]
		if !g.term.start(describe(r), r.Start) {
			return
		}
		g.work.once = g.work.once[1:]
		g.relyLocked(describe(r) + " runs once")
	}
}

// stop leaves what runs in a term to the end of the term, and what runs in a shard to that of the shard.
func (g *Gate) stop() {
	close(g.stopped)
	g.mu.Lock()
	g.closed, g.stopping = true, true
	term, idle := g.term, g.idleLocked()
	g.mu.Unlock()
	select {
	case err := <-g.failed: // came together with the end of Start's context
		g.log.Error("gated work failed while stopping", "err", err)
	default:
	}
	switch {
	case idle:
		g.finish()
	case term != nil:
		term.cancel(elector.ErrStopped)
	}
}

// finish ends what outlives terms. It is called when no term and no shard's tenure lasts, and none will begin.
func (g *Gate) finish() {
	for _, outliving := range []*group{g.life, g.warm} {
		outliving.close()
		outliving.cancel(elector.ErrStopped)
	}
	g.listeners.stop()
	g.life.wait()
	g.warm.wait()
}

// fail ends the Gate: Start returns err, unless it has another reason already.
func (g *Gate) fail(err error) {
	g.mu.Lock()
	first, failing := !g.closed, g.failing
	if g.closed = true; first {
		g.failedBy = err
	}
	g.mu.Unlock()
	if first {
		if failing != nil {
			failing()
		}
		g.failed <- err // has room for one
		return
	}
	g.log.Error("gated work failed while stopping", "err", err)
}

// onFailure makes the Gate call f before a term in which it fails ends, so that no other term is sought. If it has
// failed already, f is called at once.
func (g *Gate) onFailure(f func()) {
	g.mu.Lock()
	g.failing = f
	failed := g.failedBy != nil
	g.mu.Unlock()
	if failed {
		f()
	}
}

// failure returns why the Gate has failed, or nil.
func (g *Gate) failure() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.failedBy
}
