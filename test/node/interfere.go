// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kube-elector/elector/test/harness"
	"github.com/kube-elector/elector/test/node/victim"
)

// An interference makes the node or the Pod's status say more than is true, or less.
type interference struct {
	name   string
	inject func(context.Context, *trial) error
}

var interferences = []interference{
	{"SIGKILL", func(_ context.Context, r *trial) error { return r.process.Signal(victim.Kill...) }},
	{"shim killed", func(_ context.Context, r *trial) error { return syscall.Kill(r.shim, syscall.SIGKILL) }},
	{"SIGSTOP", func(_ context.Context, r *trial) error { return r.process.Signal(victim.Stop...) }},
	{"freezer", func(_ context.Context, r *trial) error { return freeze(r.process, true) }},
	{"frozen, shim killed", func(_ context.Context, r *trial) error {
		return errors.Join(freeze(r.process, true), syscall.Kill(r.shim, syscall.SIGKILL))
	}},
	{"containerd restarted", func(_ context.Context, r *trial) error { return r.restart(r.node.Containerd, nil) }},
	{"task state lost", func(_ context.Context, r *trial) error { return r.restart(r.node.Containerd, r.forget) }},
	{"task state lost, shim killed", func(_ context.Context, r *trial) error {
		return r.restart(r.node.Containerd, func() { r.forget(); _ = syscall.Kill(r.shim, syscall.SIGKILL) }) // It may have gone.
	}},
	{"kubelet restarted", func(_ context.Context, r *trial) error { return r.restart(r.node.Kubelet, nil) }},
	{"kubelet killed", func(_ context.Context, r *trial) error {
		r.daemons.Lock()
		defer r.daemons.Unlock()
		return r.node.Kubelet.Kill()
	}},
	{"force deletion", func(ctx context.Context, r *trial) error {
		return r.client.Delete(ctx, r.pod, client.GracePeriodSeconds(0))
	}},
	{"deletion", func(ctx context.Context, r *trial) error { return r.client.Delete(ctx, r.pod) }},
	{"phase Failed", func(ctx context.Context, r *trial) error {
		return r.patch(ctx, func(s *corev1.PodStatus) { s.Phase = corev1.PodFailed })
	}},
	{"as PodGC writes", func(ctx context.Context, r *trial) error {
		return r.patch(ctx, func(s *corev1.PodStatus) {
			s.Phase = corev1.PodFailed
			s.Conditions = append(s.Conditions, corev1.PodCondition{Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue, Reason: "DeletionByPodGC"})
		})
	}},
	{"ContainerStatusUnknown", func(ctx context.Context, r *trial) error {
		return r.claimEnd(ctx, "ContainerStatusUnknown", 137, r.nonce(r.signed))
	}},
	{"exit code 255", func(ctx context.Context, r *trial) error { return r.claimEnd(ctx, "Error", 255, r.nonce(r.signed)) }},
	{"another nonce", func(ctx context.Context, r *trial) error { return r.claimEnd(ctx, "Error", 137, rand.Text()) }},
	{"an old nonce", func(ctx context.Context, r *trial) error { return r.claimEnd(ctx, "Error", 137, r.nonce(r.former)) }},
	{"log copied to the other container, which ends", copyLog},
}

// nonce returns the nonce of what the Lease said of a process.
func (*trial) nonce(signed string) string {
	if parts := strings.Fields(signed); len(parts) > 2 {
		return parts[2]
	}
	return "none"
}

// restart kills a server and starts it again. In between it calls f, unless that is nil.
func (r *trial) restart(server *harness.Server, f func()) error {
	r.daemons.Lock()
	defer r.daemons.Unlock()
	if err := server.Kill(); err != nil {
		return err
	}
	if f != nil {
		f()
	}
	return server.Start()
}

// forget removes the state that containerd keeps of the leader's task. Its root file system is mounted there.
func (r *trial) forget() {
	_, id, _ := strings.Cut(r.pod.Status.ContainerStatuses[0].ContainerID, "://")
	_ = os.RemoveAll(r.node.File("run/io.containerd.runtime.v2.task/k8s.io/" + id)) // but for the mount
}

func (r *trial) patch(ctx context.Context, f func(*corev1.PodStatus)) error {
	pod := &corev1.Pod{}
	if err := r.client.Get(ctx, client.ObjectKeyFromObject(r.pod), pod); err != nil {
		return err
	}
	f(&pod.Status)
	return r.client.Status().Update(ctx, pod)
}

// claimEnd writes into the status that the leader's container has ended.
func (r *trial) claimEnd(ctx context.Context, reason string, code int32, message string) error {
	return r.patch(ctx, func(s *corev1.PodStatus) {
		if len(s.ContainerStatuses) == 0 {
			return
		}
		c := &s.ContainerStatuses[0]
		c.State = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
			ExitCode: code, Reason: reason, Message: message, ContainerID: c.ContainerID, FinishedAt: metav1.Now(),
		}}
	})
}

// copyLog copies the termination log of the leader into that of the container beside it, and kills that.
func copyLog(_ context.Context, r *trial) error {
	logs, err := filepath.Glob(r.node.File("kubelet/pods/" + string(r.pod.UID) + "/containers/other/*"))
	if err != nil || len(logs) == 0 {
		return fmt.Errorf("no termination log of the other container: %w", err)
	}
	for _, log := range logs {
		if err := os.WriteFile(log, []byte(r.nonce(r.signed)), 0o600); err != nil {
			return err
		}
	}
	p, err := victim.Find(r.pod.Status.ContainerStatuses[1].ContainerID)
	if err != nil {
		return err
	}
	return errors.Join(p.Signal(victim.Kill...), p.Close())
}

// freeze freezes the cgroup of the process, or thaws it.
func freeze(p *victim.Process, on bool) error {
	group, err := p.Cgroup("freezer")
	if err != nil {
		return err
	}
	file, text := "freezer.state", map[bool]string{true: "FROZEN", false: "THAWED"}[on]
	if _, err := os.Stat(filepath.Join(group, file)); err != nil { // cgroup v2
		file, text = "cgroup.freeze", map[bool]string{true: "1", false: "0"}[on]
	}
	return os.WriteFile(filepath.Join(group, file), []byte(text), 0o600)
}
