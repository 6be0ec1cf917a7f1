// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"context"
	"sync"

	"github.com/kube-elector/elector/elector/internal/crash"
	"github.com/kube-elector/elector/elector/internal/lease"
	"github.com/kube-elector/elector/elector/internal/wait"
)

// podWatcher watches the Pod of the process that holds the Lease, as long as that is another process which has tied
// itself to its container. There is nothing to watch otherwise.
type podWatcher struct {
	e        *Elector
	follower *crash.Follower
	found    func(ctx context.Context, process string, i crash.Instance, end crash.End)

	asked lease.Moment // when the record was written that was last said to be silent; only Start's goroutine uses it
}

// run watches until ctx ends.
func (w *podWatcher) run(ctx context.Context) {
	for ctx.Err() == nil {
		obs, changed := w.e.view.Get()
		process := obs.Process()
		if i, ok := crash.Parse(process); ok {
			w.observe(ctx, process, i)
			continue
		}
		wait.Any(ctx, never, changed, nil)
	}
}

// observe watches the Pod of the process, which is the Instance, while it holds the Lease.
func (w *podWatcher) observe(parent context.Context, process string, i crash.Instance) {
	ctx, stop := w.whileHeld(parent, process)
	defer stop()
	w.follower.Follow(ctx, i, func(end crash.End) { w.found(ctx, process, i, end) })
	// The next holder may have heard of the end first. If it dies soon, too, the Lease must not be left alone for the
	// sake of the one before.
	if obs, _ := w.e.view.Get(); obs.Former() == process && parent.Err() == nil {
		w.follower.Look(parent, i, func(end crash.End) { w.found(ctx, process, i, end) })
	}
}

// whileBlind waits while the Lease can neither be watched nor read. The end of the holder is of no use to a replica
// that cannot claim.
func (w *podWatcher) whileBlind(ctx context.Context) {
	for ctx.Err() == nil {
		watch := w.e.watcher.State()
		if watch.Trusted || !w.e.trouble.failing(cannotRead) {
			return
		}
		wait.Any(ctx, w.e.config.RetryPeriod, watch.Turned, nil)
	}
}

// whileHeld returns a context that ends when the process no longer holds the Lease. stop must be called.
func (w *podWatcher) whileHeld(parent context.Context, process string) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancel(parent)
	var following sync.WaitGroup
	following.Go(func() {
		defer cancel()
		for ctx.Err() == nil {
			obs, changed := w.e.view.Get()
			if obs.Process() != process {
				return
			}
			wait.Any(ctx, never, changed, nil)
		}
	})
	return ctx, func() {
		cancel()
		following.Wait()
	}
}

// holderSilent says that the holder should have renewed its record. Only Start's goroutine may call it.
func (w *podWatcher) holderSilent(obs lease.Observation) {
	if w.asked == obs.Changed {
		return
	}
	w.asked = obs.Changed
	w.follower.Silent()
}
