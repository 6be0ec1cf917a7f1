// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package leasetest_test

import (
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/kube-elector/elector/elector/leasetest"
)

func watchPod(t *testing.T, c *leasetest.Client, name, from string) watch.Interface {
	t.Helper()
	w, err := c.CoreV1().Pods("ns").Watch(t.Context(), metav1.ListOptions{FieldSelector: "metadata.name=" + name, ResourceVersion: from})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Stop)
	return w
}

// next returns the next event of the watch and its Pod.
func next(t *testing.T, w watch.Interface) (watch.EventType, *corev1.Pod) {
	t.Helper()
	synctest.Wait()
	select {
	case event := <-w.ResultChan():
		pod, _ := event.Object.(*corev1.Pod)
		return event.Type, pod
	default:
		t.Fatal("the watch has no event")
		return "", nil
	}
}

func TestAWatchOfAPodSeesThatPodAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := leasetest.NewServer()
		client := server.Client("a")
		lease := held("me")
		lease.Name = "p"
		server.Put(lease)
		first := server.PutPod(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "p"}})
		server.PutPod(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "other"}})
		w := watchPod(t, client, "p", "")
		if kind, pod := next(t, w); kind != watch.Added || pod.UID != first.UID || pod.ResourceVersion != first.ResourceVersion {
			t.Errorf("%s %+v, want %+v", kind, pod, first)
		}
		server.EditPod("ns", "p", func(p *corev1.Pod) { p.Status.Phase = corev1.PodFailed })
		if kind, pod := next(t, w); kind != watch.Modified || pod.Status.Phase != corev1.PodFailed {
			t.Errorf("%s %+v", kind, pod)
		}
		server.EditPod("ns", "p", func(*corev1.Pod) {}) // no write
		second := server.PutPod(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "p", UID: "another"}})
		if kind, pod := next(t, w); kind != watch.Deleted || pod.UID != first.UID {
			t.Errorf("%s %+v", kind, pod)
		}
		if kind, pod := next(t, w); kind != watch.Added || pod.UID != second.UID {
			t.Errorf("%s %+v", kind, pod)
		}
		w = watchPod(t, client, "p", second.ResourceVersion)
		if !server.DeletePod("ns", "p") || server.DeletePod("ns", "p") {
			t.Error("the Pod was not there, or still is")
		}
		if kind, _ := next(t, w); kind != watch.Deleted {
			t.Error(kind)
		}
	})
}

func TestPodsAreReadByClientsAndNotWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := leasetest.NewServer()
		pods := server.Client("a").CoreV1().Pods("ns")
		stored := server.PutPod(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "p"}})
		if got, err := pods.Get(t.Context(), "p", metav1.GetOptions{}); err != nil || got.UID != stored.UID {
			t.Errorf("%+v, %v", got, err)
		}
		if _, err := pods.Get(t.Context(), "q", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
			t.Error(err)
		}
		if list, err := pods.List(t.Context(), metav1.ListOptions{}); err != nil || len(list.Items) != 1 || list.Items[0].UID != stored.UID {
			t.Errorf("%+v, %v", list, err)
		}
		if _, err := pods.Create(t.Context(), stored, metav1.CreateOptions{}); err == nil {
			t.Error("a client has created a Pod")
		}
	})
}

func TestFaultsCanBeOfOneResource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := leasetest.NewServer()
		client := server.Client("a")
		var seen []string
		client.Intercept(func(op leasetest.Op) (f leasetest.Fault) {
			seen = append(seen, op.Verb+" "+op.Resource+" "+op.Name)
			return f
		})
		onLeases, err := client.CoordinationV1().Leases("ns").Watch(t.Context(), metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		defer onLeases.Stop()
		watchPod(t, client, "p", "")
		client.CutWatches("pods")
		synctest.Wait()
		if client.Watches("leases") != 1 || client.Watches("pods") != 0 || client.Watches() != 1 {
			t.Errorf("%d, %d, %d watches", client.Watches("leases"), client.Watches("pods"), client.Watches())
		}
		if want := []string{"watch leases ", "watch pods p"}; !slices.Equal(seen, want) {
			t.Errorf("%q, want %q", seen, want)
		}
	})
}

func TestTheKubeletReportsTheTerminationLogOfTheRunThatEnded(t *testing.T) {
	server := leasetest.NewServer()
	c, err := server.RunContainer("ns", "p", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	first := c.TerminationLog()
	if err := os.WriteFile(first, []byte("last words"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := c.Report(leasetest.Exited(3)); err != nil {
		t.Fatal(err)
	}
	status := server.GetPod("ns", "p").Status.ContainerStatuses[0]
	if end := status.State.Terminated; end == nil || end.ExitCode != 3 || end.Reason != "Error" || end.Message != "last words" {
		t.Errorf("%+v", end)
	}
	if err := c.Restart(); err != nil {
		t.Fatal(err)
	}
	status = server.GetPod("ns", "p").Status.ContainerStatuses[0]
	if end := status.LastTerminationState.Terminated; status.State.Running == nil || end == nil || end.Message != "last words" {
		t.Errorf("%+v", status)
	}
	if text, err := os.ReadFile(c.TerminationLog()); c.TerminationLog() == first || err != nil || len(text) > 0 {
		t.Errorf("the next run's log %s: %q, %v", c.TerminationLog(), text, err)
	}
}

func TestEachReportChangesThePod(t *testing.T) {
	names := map[string]bool{}
	for _, r := range slices.Concat(leasetest.TrueReports(), leasetest.FalseReports()) {
		server := leasetest.NewServer()
		c, err := server.RunContainer("ns", "p", t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(c.TerminationLog(), []byte(strings.Repeat("n", 26)), 0o600); err != nil {
			t.Fatal(err)
		}
		before := server.GetPod("ns", "p")
		if err := c.Report(r); err != nil {
			t.Fatal(err)
		}
		if after := server.GetPod("ns", "p"); names[r.Name] || after != nil && after.ResourceVersion == before.ResourceVersion {
			t.Errorf("%s: the same name twice, or no change", r.Name)
		}
		names[r.Name] = true
	}
}
