// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/kube-elector/elector/elector/internal/crash"
	"github.com/kube-elector/elector/elector/leasetest"
)

// running returns a container of a Pod in a server, and the Instance of the process in it, whose log it has written.
func running(t *testing.T) (*leasetest.Server, *leasetest.Container, crash.Instance) {
	t.Helper()
	server := leasetest.NewServer()
	c, err := server.RunContainer("ns", "pod", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return server, c, sign(t, c)
}

// sign makes a process in the container's present run tie itself to that.
func sign(t *testing.T, c *leasetest.Container) crash.Instance {
	t.Helper()
	for name, value := range c.Environment() {
		t.Setenv(name, value)
	}
	l, err := crash.Find(c.TerminationLog())
	if err != nil {
		t.Fatal(err)
	}
	i, err := l.Sign()
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func report(t *testing.T, c *leasetest.Container, r leasetest.Report) {
	t.Helper()
	if err := c.Report(r); err != nil {
		t.Fatal(err)
	}
}

func TestATrueReportProvesTheEnd(t *testing.T) {
	for _, r := range leasetest.TrueReports() {
		server, c, i := running(t)
		if end, ok := i.End(server.GetPod("ns", "pod")); ok {
			t.Errorf("while it runs: %v", end)
		}
		report(t, c, r)
		end, ok := i.End(server.GetPod("ns", "pod"))
		if !ok {
			t.Errorf("%s is not believed: %+v", r.Name, server.GetPod("ns", "pod").Status)
		}
		if want := "exit code 137, OOMKilled"; r.Name == "out of memory" && end.String() != want {
			t.Errorf("got %q, want %q", end, want)
		}
	}
}

func TestAFalseReportProvesNothing(t *testing.T) {
	for _, r := range leasetest.FalseReports() {
		server, c, i := running(t)
		report(t, c, r)
		if end, ok := i.End(server.GetPod("ns", "pod")); ok {
			t.Errorf("%s is believed: %v", r.Name, end)
		}
		named := i
		named.Container = "main"
		if end, ok := named.End(server.GetPod("ns", "pod")); ok {
			t.Errorf("%s is believed of a named container: %v", r.Name, end)
		}
	}
}

func TestOnlyExitCodesThatARuntimeHasSeenProveTheEnd(t *testing.T) {
	for code := int32(-2); code < 300; code++ {
		server, c, i := running(t)
		report(t, c, leasetest.Exited(code))
		if _, ok := i.End(server.GetPod("ns", "pod")); ok != (0 <= code && code <= 254 && code != 128) {
			t.Errorf("exit code %d: believed %t", code, ok)
		}
	}
}

func TestTheEndOfARunIsNotThatOfTheNext(t *testing.T) {
	server, c, first := running(t)
	report(t, c, leasetest.Exited(1))
	if err := c.Restart(); err != nil {
		t.Fatal(err)
	}
	second := sign(t, c)
	pod := server.GetPod("ns", "pod")
	if _, ok := first.End(pod); !ok {
		t.Error("the last state of the container does not prove the end of the run before")
	}
	if _, ok := second.End(pod); ok || first.Nonce == second.Nonce {
		t.Error("the last state of the container is believed of the present run")
	}
	if _, ok := (crash.Instance{Namespace: "ns", Pod: "pod", UID: pod.UID}).End(pod); ok {
		t.Error("an Instance without a nonce is believed to have ended")
	}
	if _, ok := first.End(nil); ok {
		t.Error("the absence of the Pod proves something")
	}
}

// A Pod of several containers proves the end of one of them only if it is known which.
func TestTheContainersOfAPodAreToldApartByTheirNames(t *testing.T) {
	server, c, i := running(t)
	server.EditPod("ns", "pod", func(pod *corev1.Pod) {
		pod.Status.ContainerStatuses = append(pod.Status.ContainerStatuses, corev1.ContainerStatus{Name: "other"})
	})
	report(t, c, leasetest.Exited(1))
	pod := server.GetPod("ns", "pod")
	for name, want := range map[string]bool{"": false, "other": false, "main": true} {
		i.Container = name
		if _, ok := i.End(pod); ok != want {
			t.Errorf("container %q: believed %t", name, ok)
		}
	}
}
