// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package crash

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"

	"github.com/kube-elector/elector/elector/internal/lease"
	"github.com/kube-elector/elector/elector/internal/wait"
)

// A Follower watches the Pods of processes, of one after the other, until the kubelet reports that one has ended. A
// watch always begins with the present state, so it does not matter what the one before has missed. Only one goroutine
// may use it.
type Follower struct {
	Pods  func(namespace string) corev1client.PodInterface
	Asker *lease.Asker
	Pace  lease.Pace    // of watches
	Slow  time.Duration // the longest time between two watches that fail
	// Silent delivers when the process should have said something elsewhere. Then its Pod is read once, and watched again:
	// the watch of it may have died, too.
	Silent chan struct{}
	// Blind waits while the end of a process is of no use, so that nothing is asked about its Pod then.
	Blind func(context.Context)
	// Failed and Worked are told of requests about Pods.
	Failed func(context.Context, error)
	Worked func(context.Context)
}

// Follow watches the Pod of the Instance until ctx ends, and calls found whenever it is seen to have ended.
func (f *Follower) Follow(ctx context.Context, i Instance, found func(End)) {
	select {
	case <-f.Silent: // was about another process
	default:
	}
	pod, saw := f.pod(i), i.seenIn(found)
	silent := false
	for {
		silent = wait.Any(ctx, f.Pace.In(lease.Now()), f.Silent, nil) || silent
		f.Blind(ctx)
		if silent {
			f.Look(ctx, i, found)
		}
		if ctx.Err() != nil {
			return
		}
		began := lease.Now()
		var err error
		silent, err = pod.Follow(ctx, f.Asker, f.Silent, func() { f.Worked(ctx) }, saw)
		f.Pace.Ended(began, f.Slow, lease.RetryAfter(err))
		if err != nil && ctx.Err() == nil {
			f.Failed(ctx, err)
		}
	}
}

// Look reads the Pod of the Instance, and calls found if it has ended.
func (f *Follower) Look(ctx context.Context, i Instance, found func(End)) {
	pod, err := f.pod(i).Read(ctx, f.Asker)
	switch {
	case err == nil:
		i.seenIn(found)(pod)
	case !apierrors.IsNotFound(err) && ctx.Err() == nil:
		f.Failed(ctx, err)
	}
}

func (f *Follower) pod(i Instance) lease.Other[*corev1.Pod] {
	pods := f.Pods(i.Namespace)
	return lease.Other[*corev1.Pod]{Kind: "Pod", Name: i.Pod, Get: pods.Get, Watch: pods.Watch}
}

// seenIn returns what calls found if a Pod shows that the Instance has ended.
func (i Instance) seenIn(found func(End)) func(*corev1.Pod) {
	return func(pod *corev1.Pod) {
		if end, ok := i.End(pod); ok {
			found(end)
		}
	}
}
