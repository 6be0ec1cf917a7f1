// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package leasetest

import (
	"fmt"
	"os"
	"path/filepath"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// A Container is the one container of a Pod in the Server, and the kubelet that runs it. A test starts a candidate "in"
// it by giving it the container's environment and termination log, and says with Report what the kubelet reports about
// it. What a kubelet reports need not be true: see [FalseReports]. Use it from one goroutine at a time.
type Container struct {
	server         *Server
	namespace, pod string
	uid            types.UID
	dir            string
	instance       int
}

// containerName is the name of the one container.
const containerName = "main"

// RunContainer stores a Pod whose one container runs, in place of a Pod of that name that may be there, and returns the
// container. Termination logs are files in dir, a new one for each run, as a kubelet makes them.
func (s *Server) RunContainer(namespace, pod, dir string) (*Container, error) {
	s.DeletePod(namespace, pod)
	stored := s.PutPod(&corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: pod},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: containerName}}},
		Status: corev1.PodStatus{
			Phase:      corev1.PodRunning,
			Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}},
		},
	})
	c := &Container{server: s, namespace: namespace, pod: pod, uid: stored.UID, dir: dir}
	return c, c.Restart()
}

// Environment returns what the Pod's spec would set by the downward API: POD_NAME, POD_NAMESPACE and POD_UID.
func (c *Container) Environment() map[string]string {
	return map[string]string{"POD_NAME": c.pod, "POD_NAMESPACE": c.namespace, "POD_UID": string(c.uid)}
}

// TerminationLog returns the path of the present run's termination log.
func (c *Container) TerminationLog() string {
	return filepath.Join(c.dir, fmt.Sprintf("%s-%s-%d", c.uid, containerName, c.instance))
}

// id returns the present run's containerID.
func (c *Container) id() string { return fmt.Sprintf("containerd://%s-%d", c.uid, c.instance) }

// Restart makes the kubelet run the container again and report that. What was reported about the run before becomes its
// last state. The process must be started by the test.
func (c *Container) Restart() error {
	c.instance++
	if err := os.WriteFile(c.TerminationLog(), nil, 0o600); err != nil {
		return fmt.Errorf("leasetest: make a termination log: %w", err)
	}
	c.edit(func(pod *corev1.Pod) {
		last := corev1.ContainerStatus{}
		if len(pod.Status.ContainerStatuses) > 0 {
			last = pod.Status.ContainerStatuses[0]
		}
		next := corev1.ContainerStatus{
			Name: containerName, Ready: true, ContainerID: c.id(), RestartCount: int32(c.instance - 1), //nolint:gosec // a small number
			State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.Now()}},
		}
		if last.State.Terminated != nil {
			next.LastTerminationState = last.State
		}
		pod.Status.ContainerStatuses = []corev1.ContainerStatus{next}
		pod.Status.Phase = corev1.PodRunning
	})
	return nil
}

// Report writes the report into the Pod, as the kubelet or another writer would. The message that goes with a
// container's end is what its termination log says now. It does nothing if the Pod is gone.
func (c *Container) Report(r Report) error {
	message, err := os.ReadFile(c.TerminationLog())
	if err != nil {
		return fmt.Errorf("leasetest: read the termination log: %w", err)
	}
	if r.deletes {
		c.server.DeletePod(c.namespace, c.pod)
		return nil
	}
	c.edit(func(pod *corev1.Pod) { r.edit(pod, string(message), c.id()) })
	return nil
}

// edit changes the Pod unless it is another by now.
func (c *Container) edit(change func(*corev1.Pod)) {
	c.server.EditPod(c.namespace, c.pod, func(pod *corev1.Pod) {
		if pod.UID == c.uid {
			change(pod)
		}
	})
}
