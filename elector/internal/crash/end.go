// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package crash

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// An End is how a container ended, as its runtime saw it.
type End struct {
	ExitCode int32
	Reason   string
	// Before is when the process had ended, by its node's clock. The kubelet reports whole seconds.
	Before time.Time
}

// String returns the End in words.
func (e End) String() string { return fmt.Sprintf("exit code %d, %s", e.ExitCode, e.Reason) }

// End reports whether the Pod proves that the Instance has ended, and how. What does not prove it says nothing: the
// process may live or not. A phase, a condition, a deletion and the absence of the Pod prove nothing, since others than
// the node's kubelet write them, and a kubelet that has lost sight of a container deletes its Pod like any other.
func (i Instance) End(pod *corev1.Pod) (End, bool) {
	if i.Nonce == "" || pod == nil || pod.UID != i.UID || pod.Name != i.Pod || pod.Namespace != i.Namespace {
		return End{}, false
	}
	// In a PID namespace that containers share, the end of a container's first process does not end the others.
	if share := pod.Spec.ShareProcessNamespace; pod.Spec.HostPID || share != nil && *share {
		return End{}, false
	}
	statuses := slices.Concat(pod.Status.ContainerStatuses, pod.Status.InitContainerStatuses)
	if i.Container == "" && len(statuses) != 1 { // somebody may have copied the log to another container's
		return End{}, false
	}
	for _, status := range statuses {
		if i.Container != "" && status.Name != i.Container {
			continue
		}
		for _, t := range []*corev1.ContainerStateTerminated{status.State.Terminated, status.LastTerminationState.Terminated} {
			if t != nil && t.Message == string(i.Nonce) && seen(t) {
				return End{t.ExitCode, t.Reason, before(t)}, true
			}
		}
	}
	return End{}, false
}

// Grace returns how long what the process held is left alone after its end was seen: given, usual if that is 0, and not
// at all if it is negative.
func Grace(given, usual time.Duration) time.Duration {
	if given == 0 {
		return usual
	}
	return max(0, given)
}

// before returns when the container had ended, the zero time if that is not said.
func before(t *corev1.ContainerStateTerminated) time.Time {
	if t.FinishedAt.IsZero() {
		return time.Time{}
	}
	return t.FinishedAt.Truncate(time.Second).Add(time.Second)
}

// seen reports whether the runtime has seen the container's process end. Otherwise exit code and reason are invented:
// by containerd when its shim or its task is lost (255, Unknown), by gVisor (128) and CRI-O (-1), by the kubelet when
// it no longer finds the container (ContainerStatusUnknown), and in any case by docker. The process may live then.
func seen(t *corev1.ContainerStateTerminated) bool {
	if t.ExitCode < 0 || t.ExitCode > 254 || t.ExitCode == 128 {
		return false
	}
	if !slices.Contains([]string{"Completed", "Error", "OOMKilled"}, t.Reason) {
		return false
	}
	return strings.HasPrefix(t.ContainerID, "containerd://") || strings.HasPrefix(t.ContainerID, "cri-o://")
}
