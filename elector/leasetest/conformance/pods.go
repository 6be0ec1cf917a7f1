// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"context"
	"strconv"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
)

// A Kubelet writes Pods of one namespace, as kubelets and administrators do. Its methods fail the test if they cannot.
type Kubelet interface {
	// Create creates a Pod of that name and returns it.
	Create(name string) *corev1.Pod
	// Report changes the status of the Pod and returns the Pod. Whatever change does to the rest is not stored.
	Report(name string, change func(*corev1.PodStatus)) *corev1.Pod
	// Delete removes the Pod at once.
	Delete(name string)
}

// A PodTest is one claim about Pods. Run needs an empty namespace of its own, of which the Kubelet is.
type PodTest struct {
	Name string
	Run  func(t *testing.T, client kubernetes.Interface, namespace string, kubelet Kubelet)
}

// PodTests returns the claims about Pods, as far as crash detection needs them.
func PodTests() []PodTest {
	return []PodTest{
		podClaim("APodIsReadByName", func(a podAPI) {
			stored := a.kubelet.Create("a")
			got, err := a.Get(a.ctx, "a", metav1.GetOptions{})
			if err != nil || got.UID != stored.UID || got.ResourceVersion != stored.ResourceVersion || got.UID == "" {
				a.Errorf("got %+v, %v, want %+v", got, err, stored)
			}
			if got, err := a.Get(a.ctx, "b", metav1.GetOptions{}); !apierrors.IsNotFound(err) || got == nil || got.Name != "" {
				a.Errorf("got %+v, %v", got, err)
			}
		}),
		podClaim("AReportKeepsTheUIDAndRaisesTheVersion", func(a podAPI) {
			stored := a.kubelet.Create("a")
			reported := a.kubelet.Report("a", ended)
			if got, err := a.Get(a.ctx, "a", metav1.GetOptions{}); err != nil || got.UID != stored.UID || got.ResourceVersion != reported.ResourceVersion {
				a.Errorf("got %+v, %v, want %+v", got, err, reported)
			} else if !isEnded(got) {
				a.Errorf("the status is %+v", got.Status)
			}
			if a.number(reported) <= a.number(stored) {
				a.Errorf("resourceVersion went from %s to %s", stored.ResourceVersion, reported.ResourceVersion)
			}
		}),
		podClaim("AWatchOfAPodBeginsWithItAndSeesItsReports", func(a podAPI) {
			a.kubelet.Create("b")
			stored := a.kubelet.Create("a")
			w := a.watch("a")
			a.expect(w, watch.Added, stored)
			a.kubelet.Report("b", ended)
			a.expect(w, watch.Modified, a.kubelet.Report("a", ended))
		}),
		podClaim("AWatchOfAPodThatHasEndedBeginsWithItsEnd", func(a podAPI) {
			a.kubelet.Create("a")
			reported := a.kubelet.Report("a", ended)
			if got := a.expect(a.watch("a"), watch.Added, reported); !isEnded(got) {
				a.Errorf("the status is %+v", got.Status)
			}
		}),
		podClaim("AWatchOfAMissingPodWaitsForIt", func(a podAPI) {
			w := a.watch("a")
			a.expect(w, watch.Added, a.kubelet.Create("a"))
		}),
		podClaim("ADeletedPodIsGoneAndTheNextIsAnother", func(a podAPI) {
			first := a.kubelet.Create("a")
			w := a.watch("a")
			a.expect(w, watch.Added, first)
			a.kubelet.Delete("a")
			if gone := a.deleted(w); gone.UID != first.UID || isEnded(gone) || a.number(gone) <= a.number(first) {
				a.Errorf("deleted %+v, want the last state of %+v", gone, first)
			}
			if _, err := a.Get(a.ctx, "a", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
				a.Errorf("a deleted Pod is read: %v", err)
			}
			second := a.kubelet.Create("a")
			if a.expect(w, watch.Added, second); second.UID == first.UID {
				a.Errorf("the UID %s is used twice", first.UID)
			}
		}),
	}
}

// ended is what a kubelet reports of a container that was killed.
func ended(status *corev1.PodStatus) {
	status.ContainerStatuses = []corev1.ContainerStatus{{
		Name: "main", State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
			ExitCode: 137, Reason: "Error", Message: "last words", ContainerID: "containerd://1",
		}},
	}}
}

func isEnded(pod *corev1.Pod) bool {
	var want corev1.PodStatus
	ended(&want)
	got := pod.Status.ContainerStatuses
	return len(got) == 1 && got[0].State.Terminated != nil && *got[0].State.Terminated == *want.ContainerStatuses[0].State.Terminated
}

// podAPI is what a claim about Pods is tested with.
type podAPI struct {
	*testing.T
	corev1client.PodInterface
	ctx     context.Context
	kubelet Kubelet
}

func podClaim(name string, check func(podAPI)) PodTest {
	return PodTest{name, func(t *testing.T, client kubernetes.Interface, namespace string, kubelet Kubelet) {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		check(podAPI{t, client.CoreV1().Pods(namespace), ctx, kubelet})
	}}
}

func (a podAPI) watch(name string) watch.Interface {
	a.Helper()
	w, err := a.Watch(a.ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + name})
	if err != nil {
		a.Fatal(err)
	}
	a.Cleanup(w.Stop)
	return w
}

// expect waits for the next event, which must be of the kind and about the Pod as it was then, unless that is nil.
func (a podAPI) expect(w watch.Interface, kind watch.EventType, want *corev1.Pod) *corev1.Pod {
	a.Helper()
	select {
	case event := <-w.ResultChan():
		pod, ok := event.Object.(*corev1.Pod)
		if !ok || event.Type != kind || want != nil && (pod.UID != want.UID || pod.ResourceVersion != want.ResourceVersion) {
			a.Fatalf("got %+v, want %s of %+v", event, kind, want)
		}
		return pod
	case <-a.ctx.Done():
		a.Fatalf("no event, want %s", kind)
	}
	return nil
}

// deleted waits for the deletion. Of a Pod on a node a real server says before that it is being deleted.
func (a podAPI) deleted(w watch.Interface) *corev1.Pod {
	a.Helper()
	select {
	case event := <-w.ResultChan():
		pod, ok := event.Object.(*corev1.Pod)
		if ok && event.Type == watch.Modified && pod.DeletionTimestamp != nil {
			return a.expect(w, watch.Deleted, nil)
		}
		if !ok || event.Type != watch.Deleted {
			a.Fatalf("got %+v, want a deletion", event)
		}
		return pod
	case <-a.ctx.Done():
		a.Fatal("no event, want a deletion")
	}
	return nil
}

func (a podAPI) number(pod *corev1.Pod) uint64 {
	a.Helper()
	n, err := strconv.ParseUint(pod.ResourceVersion, 10, 64)
	if err != nil {
		a.Fatalf("resourceVersion %q: %v", pod.ResourceVersion, err)
	}
	return n
}
