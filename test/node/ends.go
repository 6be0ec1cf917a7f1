// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kube-elector/elector/examples/operator/report"
	"github.com/kube-elector/elector/test/harness"
	"github.com/kube-elector/elector/test/node/victim"
)

// signalled returns a way to end a leader. It returns when the leader was dead.
func signalled(signals ...syscall.Signal) func(context.Context, *stage, *corev1.Pod) (time.Time, error) {
	return func(ctx context.Context, s *stage, pod *corev1.Pod) (time.Time, error) {
		container := pod.Status.ContainerStatuses[0].ContainerID
		if s.node == nil {
			return s.killRemotely(ctx, pod, container)
		}
		p, err := victim.Find(container)
		if err != nil {
			return time.Time{}, err
		}
		if err := p.Signal(signals...); err != nil {
			return time.Time{}, err
		}
		death, err := p.Death(time.Minute)
		return death, errors.Join(err, p.Close())
	}
}

// stalled stops the leader's process, and returns when it was dead.
func stalled(ctx context.Context, s *stage, pod *corev1.Pod) (time.Time, error) {
	return signalled(victim.Stop...)(ctx, s, pod)
}

// exhausted makes the leader run out of memory.
func exhausted(ctx context.Context, _ *stage, pod *corev1.Pod) (death time.Time, err error) {
	p, err := victim.Find(pod.Status.ContainerStatuses[0].ContainerID)
	if err != nil {
		return time.Time{}, err
	}
	eater, err := harness.StartProcess(ctx, "eater", p.PID, os.Stderr)
	if err != nil {
		return time.Time{}, err
	}
	death, err = p.Death(time.Minute)
	if eaten := eater.Stop(); err != nil { // It may have been killed, too.
		err = errors.Join(err, eaten)
	}
	return death, errors.Join(err, p.Close())
}

// killRemotely has a privileged pod on the leader's node kill the container.
func (s *stage) killRemotely(ctx context.Context, pod *corev1.Pod, container string) (time.Time, error) {
	killer := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, GenerateName: "killer-"},
		Spec: corev1.PodSpec{
			NodeName: pod.Spec.NodeName, HostPID: true, RestartPolicy: corev1.RestartPolicyNever,
			Tolerations: []corev1.Toleration{{Operator: corev1.TolerationOpExists}},
			Containers: []corev1.Container{{
				Name: "manager", Image: s.image, Command: []string{"/replica", "kill", container},
				SecurityContext: &corev1.SecurityContext{Privileged: ptr.To(true), RunAsUser: ptr.To[int64](0)},
			}},
		},
	}
	if err := s.client.Create(ctx, killer); err != nil {
		return time.Time{}, err
	}
	var death time.Time
	err := harness.Poll(ctx, time.Minute, "the end of "+pod.Name, func(ctx context.Context) error {
		text, err := s.clientset.CoreV1().Pods(s.namespace).GetLogs(killer.Name, &corev1.PodLogOptions{}).DoRaw(ctx)
		if err != nil {
			return err
		}
		at, _, ok := report.Parse(text)
		if !ok {
			return fmt.Errorf("its killer says %q", text)
		}
		death = at
		return nil
	})
	return death, errors.Join(err, s.client.Delete(ctx, killer, client.GracePeriodSeconds(0)))
}
