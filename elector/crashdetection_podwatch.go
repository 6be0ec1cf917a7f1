// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"context"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"

	"github.com/kube-elector/elector/elector/internal/crash"
	"github.com/kube-elector/elector/elector/internal/lease"
	"github.com/kube-elector/elector/elector/internal/wait"
)

// podWatcher watches the Pod of the process that holds the Lease, as long as that is another process which has tied
// itself to its container. There is nothing to watch otherwise. A watch always begins with the present state, so it
// does not matter what the one before has missed.
type podWatcher struct {
	e     *Elector
	pods  func(namespace string) corev1client.PodInterface
	pace  lease.Pace // of watches
	found func(ctx context.Context, process string, i crash.Instance, end crash.End)
	// failed and worked are told of requests about Pods.
	failed func(context.Context, error)
	worked func(context.Context)

	silent chan struct{} // holds one: the holder should have renewed its record
	asked  lease.Moment  // when the record was written that this was last said of; only Start's goroutine uses it
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
	select {
	case <-w.silent: // was about another holder
	default:
	}
	pods := w.pods(i.Namespace)
	pod := lease.Other[*corev1.Pod]{Kind: "Pod", Name: i.Pod, Get: pods.Get, Watch: pods.Watch}
	saw := func(pod *corev1.Pod) {
		if end, ok := i.End(pod); ok {
			w.found(ctx, process, i, end)
		}
	}
	silent := false
	for {
		silent = wait.Any(ctx, w.pace.In(lease.Now()), w.silent, nil) || silent
		w.whileBlind(ctx)
		if silent {
			w.look(ctx, pod, saw)
		}
		if ctx.Err() != nil {
			break
		}
		began := lease.Now()
		var err error
		silent, err = pod.Follow(ctx, w.e.leases, w.silent, func() { w.worked(ctx) }, saw)
		w.pace.Ended(began, w.e.config.slowPodWatch(), lease.RetryAfter(err))
		if err != nil && ctx.Err() == nil {
			w.failed(ctx, err)
		}
	}
	// The next holder may have heard of the end first. If it dies soon, too, the Lease must not be left alone for the
	// sake of the one before.
	if obs, _ := w.e.view.Get(); obs.Former() == process && parent.Err() == nil {
		w.look(parent, pod, saw)
	}
}

// whileBlind waits while the Lease can neither be watched nor read, so that nothing is asked about the Pod then. The
// end of the holder is of no use to a replica that cannot claim.
func (w *podWatcher) whileBlind(ctx context.Context) {
	for ctx.Err() == nil {
		watch := w.e.watcher.State()
		if watch.Trusted || !w.e.trouble.failing(cannotRead) {
			return
		}
		wait.Any(ctx, w.e.config.RetryPeriod, watch.Turned, nil)
	}
}

// look reads the Pod.
func (w *podWatcher) look(ctx context.Context, pod lease.Other[*corev1.Pod], saw func(*corev1.Pod)) {
	object, err := pod.Read(ctx, w.e.leases)
	switch {
	case err == nil:
		saw(object)
	case !apierrors.IsNotFound(err) && ctx.Err() == nil:
		w.failed(ctx, err)
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

// holderSilent says that the holder should have renewed its record. Then its Pod is read once, and watched again: the
// watch of it may have died, too. Only Start's goroutine may call it.
func (w *podWatcher) holderSilent(obs lease.Observation) {
	if w.asked == obs.Changed {
		return
	}
	w.asked = obs.Changed
	select {
	case w.silent <- struct{}{}:
	default:
	}
}
