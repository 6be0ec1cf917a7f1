// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	// relist is how often a kubelet looks for containers that have ended.
	relist = time.Second
	// podPatience is how long a cluster may take to make what a Pod needs in a new namespace, its service account.
	podPatience = 10 * time.Second
)

// pod is the Pod of a replica, which is its only container. There is no kubelet: the demo plays its part, and reports
// to the Pod's status that the process runs, and when it has ended. As a kubelet does, it looks once a second.
type pod struct {
	cluster *cluster
	object  *corev1.Pod
	log     string        // the container's termination log
	phase   time.Duration // of the looks
	runs    int           // of the container
	lost    atomic.Bool   // the node has gone, and nobody reports
	last    *corev1.ContainerStateTerminated
}

// newPod makes the Pod of a replica.
func newPod(ctx context.Context, c *cluster, dir, name string) (*pod, error) {
	object := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: c.namespace, Name: name},
		Spec: corev1.PodSpec{
			SchedulerName: "elector-demo", // so that no node runs it
			Containers:    []corev1.Container{{Name: "operator", Image: "elector-demo"}},
		},
	}
	var failure error
	err := wait.PollUntilContextTimeout(ctx, relist/4, podPatience, true, func(ctx context.Context) (bool, error) {
		failure = c.client.Create(ctx, object)
		return failure == nil, nil
	})
	if err != nil {
		return nil, fmt.Errorf("making the Pod of a replica: %w", errors.Join(failure, err))
	}
	return &pod{cluster: c, object: object, log: filepath.Join(dir, "termination-log-"+name), phase: rand.N(relist)}, nil //nolint:gosec // not a secret
}

// run makes what the next run of the container has, and reports it.
func (p *pod) run(ctx context.Context) error {
	if err := os.WriteFile(p.log, nil, 0o600); err != nil {
		return err
	}
	p.runs++
	p.lost.Store(false)
	return p.report(ctx, corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.Now()}})
}

// ended takes in that the process has ended. It reports that, unless the node is lost, and returns whether it has.
func (p *pod) ended(ctx context.Context, state *os.ProcessState) (reported bool, err error) {
	message, err := os.ReadFile(p.log)
	if err != nil {
		return false, err
	}
	code, reason := state.ExitCode(), "Completed"
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		code = 128 + int(status.Signal())
	}
	if code != 0 {
		reason = "Error"
	}
	p.last = &corev1.ContainerStateTerminated{
		ExitCode: int32(code), Reason: reason, Message: string(message), ContainerID: p.id(), FinishedAt: metav1.Now(),
	}
	if p.lost.Load() {
		return false, nil
	}
	select {
	case <-time.After(time.Until(time.Now().Add(-p.phase).Truncate(relist).Add(relist + p.phase))):
	case <-ctx.Done():
		return false, nil
	}
	return true, p.report(ctx, corev1.ContainerState{Terminated: p.last})
}

func (p *pod) id() string {
	return fmt.Sprintf("containerd://elector-demo-%s-%d", p.object.UID, p.runs)
}

// report writes the state of the container into the Pod's status.
func (p *pod) report(ctx context.Context, state corev1.ContainerState) error {
	before := p.object.DeepCopy()
	status := corev1.ContainerStatus{Name: "operator", ContainerID: p.id(), RestartCount: int32(p.runs - 1), State: state}
	if state.Terminated == nil && p.last != nil {
		status.LastTerminationState.Terminated = p.last
	}
	p.object.Status.Phase = corev1.PodRunning
	p.object.Status.ContainerStatuses = []corev1.ContainerStatus{status}
	if err := p.cluster.client.Status().Patch(ctx, p.object, client.MergeFrom(before)); err != nil && ctx.Err() == nil {
		return fmt.Errorf("reporting to the Pod of a replica: %w", err)
	}
	return nil
}

var errPlayOver = errors.New("the play is over")
