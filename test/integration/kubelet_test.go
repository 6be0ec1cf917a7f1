// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"

	"github.com/kube-elector/elector/elector/leasetest"
)

// A kubelet plays the part of the kubelet for one container of a Pod in the real API server. It writes the status of
// the Pod, with the termination log of the container's present run. Nothing else runs the Pod.
type kubelet struct {
	t         *testing.T
	clientset kubernetes.Interface
	pod       *corev1.Pod
	dir       string
	run       int
}

// newKubelet makes a Pod whose one container runs. Its spec is what the reports, which come later, will need.
func newKubelet(t *testing.T, ns, name string, reports ...leasetest.Report) *kubelet {
	t.Helper()
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name},
		Spec:       corev1.PodSpec{NodeName: "node", Containers: []corev1.Container{{Name: "main", Image: "none"}}},
	}
	for _, r := range reports {
		with := pod.DeepCopy()
		r.Edit(with, "")
		pod.Spec = with.Spec
	}
	pod, err := kubernetes.NewForConfigOrDie(restConfig).CoreV1().Pods(ns).Create(t.Context(), pod, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return kubeletOf(t, pod)
}

// kubeletOf starts the container of a Pod that is there.
func kubeletOf(t *testing.T, pod *corev1.Pod) *kubelet {
	t.Helper()
	unlimited := rest.CopyConfig(restConfig)
	unlimited.QPS = -1
	k := &kubelet{t: t, clientset: kubernetes.NewForConfigOrDie(unlimited), pod: pod, dir: t.TempDir()}
	k.start()
	return k
}

func (k *kubelet) log() string { return filepath.Join(k.dir, fmt.Sprint("run-", k.run)) }

// start makes the container run, for the first time or again.
func (k *kubelet) start() {
	k.t.Helper()
	k.run++
	if err := os.WriteFile(k.log(), nil, 0o600); err != nil {
		k.t.Fatal(err)
	}
	k.status(func(pod *corev1.Pod) {
		last := corev1.ContainerState{}
		if statuses := pod.Status.ContainerStatuses; len(statuses) > 0 {
			last = statuses[0].State
		}
		pod.Status.Phase = corev1.PodRunning
		pod.Status.ContainerStatuses = []corev1.ContainerStatus{{
			Name: pod.Spec.Containers[0].Name, Ready: true, Started: ptr.To(true), Image: "none", RestartCount: int32(k.run - 1), //nolint:gosec // a small number
			ContainerID: fmt.Sprintf("containerd://%s-%d", pod.UID, k.run), LastTerminationState: last,
			State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.Now()}},
		}}
	})
}

// env sets what the downward API would set, for the candidate that is made next, and returns its termination log.
func (k *kubelet) env() (terminationLog string) {
	k.t.Helper()
	k.t.Setenv("POD_NAME", k.pod.Name)
	k.t.Setenv("POD_NAMESPACE", k.pod.Namespace)
	k.t.Setenv("POD_UID", string(k.pod.UID))
	return k.log()
}

// status writes the Pod's status. A Pod whose UID change empties is deleted, and one with another UID replaced.
func (k *kubelet) status(change func(*corev1.Pod)) {
	k.t.Helper()
	pods := k.clientset.CoreV1().Pods(k.pod.Namespace)
	pod, err := pods.Get(k.t.Context(), k.pod.Name, metav1.GetOptions{})
	if err != nil {
		k.t.Fatal(err)
	}
	before := pod.DeepCopy()
	change(pod)
	switch {
	case pod.UID == "":
		k.delete(ptr.To(int64(0)))
		return
	case pod.UID != before.UID:
		k.delete(ptr.To(int64(0)))
		again := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: pod.Name}, Spec: pod.Spec}
		created, err := pods.Create(k.t.Context(), again, metav1.CreateOptions{})
		if err != nil {
			k.t.Fatal(err)
		}
		created.Status = pod.Status
		pod = created
	case pod.DeletionTimestamp != before.DeletionTimestamp:
		k.delete(nil)
		return
	}
	stored, err := pods.UpdateStatus(k.t.Context(), pod, metav1.UpdateOptions{})
	if err != nil {
		k.t.Fatal(err)
	}
	if !reflect.DeepEqual(stored.Spec, before.Spec) && pod.UID == before.UID {
		k.t.Errorf("the report needs another spec: %+v", pod.Spec)
	}
	if want, got := pod.Status.ContainerStatuses, stored.Status.ContainerStatuses; len(want) != len(got) {
		k.t.Errorf("the API server has stored %+v of %+v", got, want)
	}
}

func (k *kubelet) delete(grace *int64) {
	k.t.Helper()
	err := k.clientset.CoreV1().Pods(k.pod.Namespace).Delete(context.Background(), k.pod.Name, metav1.DeleteOptions{GracePeriodSeconds: grace})
	if err != nil {
		k.t.Fatal(err)
	}
}

// report writes what the report says about the present run.
func (k *kubelet) report(r leasetest.Report) {
	k.t.Helper()
	log, err := os.ReadFile(k.log())
	if err != nil {
		k.t.Fatal(err)
	}
	k.status(func(pod *corev1.Pod) {
		if !r.Edit(pod, string(log)) {
			pod.UID = "" // it is gone
		}
	})
}
