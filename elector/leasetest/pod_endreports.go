// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package leasetest

import (
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

// A Report is what a kubelet or somebody else writes into a Pod about the end of its container.
type Report struct {
	Name    string
	deletes bool // the Pod
	change  func(*corev1.Pod, *corev1.ContainerStateTerminated)
}

// Edit changes the Pod as the report does, for a test that plays the kubelet on another API server. log is the text of
// the termination log of the Pod's first container, whose containerID the Pod must name. Edit returns false and changes
// nothing if the report is that the Pod is deleted.
func (r Report) Edit(pod *corev1.Pod, log string) bool {
	if !r.deletes {
		r.edit(pod, log, statusOf(pod).ContainerID)
	}
	return !r.deletes
}

func (r Report) edit(pod *corev1.Pod, log, containerID string) {
	r.change(pod, &corev1.ContainerStateTerminated{
		ExitCode: 137, Reason: "Error", Message: log, FinishedAt: metav1.NewTime(time.Now()), ContainerID: containerID,
	})
}

// Exited returns the report of a container whose process has ended with this exit code: 137 after SIGKILL, for example.
func Exited(code int32) Report {
	reason := "Error"
	if code == 0 {
		reason = "Completed"
	}
	return ended("exit code", func(t *corev1.ContainerStateTerminated) { t.ExitCode, t.Reason = code, reason })
}

// TrueReports returns reports that are only ever made of a process that has ended.
func TrueReports() []Report {
	all := []Report{
		ended("killed", func(*corev1.ContainerStateTerminated) {}),
		ended("out of memory", func(t *corev1.ContainerStateTerminated) { t.Reason = "OOMKilled" }),
		ended("completed", func(t *corev1.ContainerStateTerminated) { t.ExitCode, t.Reason = 0, "Completed" }),
		ended("exit 1", func(t *corev1.ContainerStateTerminated) { t.ExitCode = 1 }),
		ended("panic", func(t *corev1.ContainerStateTerminated) { t.ExitCode = 2 }),
		ended("by CRI-O", func(t *corev1.ContainerStateTerminated) {
			t.ContainerID = "cri-o://" + strings.TrimPrefix(t.ContainerID, "containerd://")
		}),
		// The kubelet has started the next run before anybody saw the end of this one.
		{Name: "started again", change: func(pod *corev1.Pod, t *corev1.ContainerStateTerminated) {
			status := statusOf(pod)
			status.LastTerminationState, status.State = corev1.ContainerState{Terminated: t}, corev1.ContainerState{
				Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"},
			}
		}},
		{Name: "a sidecar", change: func(pod *corev1.Pod, t *corev1.ContainerStateTerminated) {
			status := *statusOf(pod)
			status.State = corev1.ContainerState{Terminated: t}
			pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses = []corev1.ContainerStatus{status}, nil
		}},
	}
	return all
}

// FalseReports returns reports that are also made of a process that lives, or that anybody can write. Nobody may take
// the process for dead because of one.
func FalseReports() []Report {
	return []Report{
		ended("shim killed", func(t *corev1.ContainerStateTerminated) { t.ExitCode = 255 }),
		ended("task lost", func(t *corev1.ContainerStateTerminated) { t.ExitCode, t.Reason = 255, "Unknown" }),
		ended("reason unknown", func(t *corev1.ContainerStateTerminated) { t.Reason = "Unknown" }),
		ended("no reason", func(t *corev1.ContainerStateTerminated) { t.Reason = "" }),
		ended("start error", func(t *corev1.ContainerStateTerminated) { t.ExitCode, t.Reason = 128, "StartError" }),
		ended("by gVisor", func(t *corev1.ContainerStateTerminated) { t.ExitCode = 128 }),
		ended("lost by CRI-O", func(t *corev1.ContainerStateTerminated) {
			t.ExitCode, t.ContainerID = -1, "cri-o://"+strings.TrimPrefix(t.ContainerID, "containerd://")
		}),
		ended("by docker", func(t *corev1.ContainerStateTerminated) {
			t.ContainerID = "docker://" + strings.TrimPrefix(t.ContainerID, "containerd://")
		}),
		ended("no container ID", func(t *corev1.ContainerStateTerminated) { t.ContainerID = "" }),
		ended("not found on the node", func(t *corev1.ContainerStateTerminated) {
			t.Reason, t.ContainerID = "ContainerStatusUnknown", ""
			t.Message = "The container could not be located when the pod was terminated"
		}),
		ended("not found, with its log", func(t *corev1.ContainerStateTerminated) { t.Reason = "ContainerStatusUnknown" }),
		ended("no message", func(t *corev1.ContainerStateTerminated) { t.Message = "" }),
		ended("another message", func(t *corev1.ContainerStateTerminated) { t.Message = strings.Repeat("A", len(t.Message)) }),
		ended("the log within a longer message", func(t *corev1.ContainerStateTerminated) { t.Message = "panic: " + t.Message }),
		ended("the log with a line's end", func(t *corev1.ContainerStateTerminated) { t.Message += "\n" }),
		ended("part of the log", func(t *corev1.ContainerStateTerminated) { t.Message = t.Message[:len(t.Message)/2] }),
		pod("phase Failed", func(p *corev1.Pod) { p.Status.Phase = corev1.PodFailed }),
		pod("collected as garbage", func(p *corev1.Pod) {
			p.Status.Phase, p.Status.Reason = corev1.PodFailed, "PodGC"
			p.Status.Conditions = []corev1.PodCondition{{Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue, Reason: "DeletionByPodGC"}}
		}),
		pod("node lost", func(p *corev1.Pod) {
			p.Status.Reason = "NodeLost"
			p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionFalse}}
		}),
		pod("being deleted", func(p *corev1.Pod) {
			now := metav1.NewTime(time.Now())
			p.DeletionTimestamp, p.DeletionGracePeriodSeconds = &now, new(int64)
		}),
		{Name: "deleted by force", deletes: true},
		{Name: "another container", change: func(pod *corev1.Pod, t *corev1.ContainerStateTerminated) {
			t.Message = "done"
			pod.Status.ContainerStatuses = append(pod.Status.ContainerStatuses,
				corev1.ContainerStatus{Name: "other", State: corev1.ContainerState{Terminated: t}})
		}},
		{Name: "another container with a copy of the log", change: func(pod *corev1.Pod, t *corev1.ContainerStateTerminated) {
			pod.Status.ContainerStatuses = append(pod.Status.ContainerStatuses,
				corev1.ContainerStatus{Name: "other", State: corev1.ContainerState{Terminated: t}})
		}},
		{Name: "host PIDs", change: func(pod *corev1.Pod, t *corev1.ContainerStateTerminated) {
			pod.Spec.HostPID = true
			statusOf(pod).State = corev1.ContainerState{Terminated: t}
		}},
		{Name: "shared PIDs", change: func(pod *corev1.Pod, t *corev1.ContainerStateTerminated) {
			pod.Spec.ShareProcessNamespace = ptr.To(true)
			statusOf(pod).State = corev1.ContainerState{Terminated: t}
		}},
		{Name: "another Pod of that name", change: func(pod *corev1.Pod, t *corev1.ContainerStateTerminated) {
			pod.UID = "another-" + pod.UID
			statusOf(pod).State = corev1.ContainerState{Terminated: t}
		}},
	}
}

// ended returns a report about the container's state, which says 137 and Error unless change changes that.
func ended(name string, change func(*corev1.ContainerStateTerminated)) Report {
	return Report{Name: name, change: func(pod *corev1.Pod, t *corev1.ContainerStateTerminated) {
		change(t)
		statusOf(pod).State = corev1.ContainerState{Terminated: t}
	}}
}

// pod returns a report that says nothing of the container.
func pod(name string, change func(*corev1.Pod)) Report {
	return Report{Name: name, change: func(pod *corev1.Pod, _ *corev1.ContainerStateTerminated) { change(pod) }}
}

// statusOf returns the state of the one container. A Pod that somebody has edited may have none.
func statusOf(pod *corev1.Pod) *corev1.ContainerStatus {
	all := &pod.Status.ContainerStatuses
	if len(*all) == 0 {
		all = &pod.Status.InitContainerStatuses
	}
	if len(*all) == 0 {
		*all = []corev1.ContainerStatus{{Name: containerName}}
	}
	return &(*all)[0]
}
