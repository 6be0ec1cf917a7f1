// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package crash

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/kubernetes"

	"github.com/kube-elector/elector/elector/internal/lease"
	"github.com/kube-elector/elector/elector/internal/wait"
)

// A Follower watches the Pods of processes, of one after the other, until the kubelet reports that one has ended. A
// watch always begins with the present state, so it does not matter what the one before has missed. Only one goroutine
// may use it.
type Follower struct {
	clientset kubernetes.Interface
	asker     *lease.Asker
	pace      lease.Pace // of watches
	slow      time.Duration
	silent    chan struct{} // holds one
	user      User
}

// A User is who needs to know of the end of processes.
type User struct {
	// Blind waits while that is of no use, so that nothing is asked about Pods then.
	Blind func(context.Context)
	// Failed and Worked are told of requests about Pods.
	Failed func(context.Context, error)
	Worked func(context.Context)
}

// NewFollower returns a Follower. slow is the time between two attempts at anything else that goes on failing. Watches
// of Pods are added to that, and are made a fourth as often.
func NewFollower(clientset kubernetes.Interface, asker *lease.Asker, slow time.Duration, user User) *Follower {
	return &Follower{
		clientset: clientset, asker: asker, slow: 4 * slow, silent: make(chan struct{}, 1), user: user,
		pace: lease.Pace{Free: 3, First: lease.FirstPause, Factor: 2, Forget: slow},
	}
}

// Silent says that the process should have said something elsewhere. Then its Pod is read once, and watched again: the
// watch of it may have died, too. It may be called concurrently.
func (f *Follower) Silent() {
	select {
	case f.silent <- struct{}{}:
	default:
	}
}

// Follow watches the Pod of the Instance until ctx ends, and calls found whenever it is seen to have ended.
func (f *Follower) Follow(ctx context.Context, i Instance, found func(End)) {
	select {
	case <-f.silent: // was about another process
	default:
	}
	pod, saw := f.pod(i), i.seenIn(found)
	silent := false
	for {
		silent = wait.Any(ctx, f.pace.In(lease.Now()), f.silent, nil) || silent
		f.user.Blind(ctx)
		if silent {
			f.Look(ctx, i, found)
		}
		if ctx.Err() != nil {
			return
		}
		began := lease.Now()
		var err error
		silent, err = pod.Follow(ctx, f.asker, f.silent, func() { f.user.Worked(ctx) }, saw)
		f.pace.Ended(began, f.slow, lease.RetryAfter(err))
		if err != nil && ctx.Err() == nil {
			f.user.Failed(ctx, err)
		}
	}
}

// Look reads the Pod of the Instance, and calls found if it has ended.
func (f *Follower) Look(ctx context.Context, i Instance, found func(End)) {
	pod, err := f.pod(i).Read(ctx, f.asker)
	switch {
	case err == nil:
		i.seenIn(found)(pod)
	case !apierrors.IsNotFound(err) && ctx.Err() == nil:
		f.user.Failed(ctx, err)
	}
}

func (f *Follower) pod(i Instance) lease.Other[*corev1.Pod] {
	pods := f.clientset.CoreV1().Pods(i.Namespace)
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
