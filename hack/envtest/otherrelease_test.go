// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestAMinorVersionStandsForOneOfItsReleases(t *testing.T) {
	for asked, want := range map[string]string{
		"": "v1.37.2", "1.37": "v1.37.2", "v1.37": "v1.37.2", "1.37.1": "v1.37.1", "v1.35.2": "v1.35.2",
		"1.34": releases["1.34"], "1.36": releases["1.36"],
	} {
		if got, err := kubernetesVersion(asked, "v1.37.2"); err != nil || got != want {
			t.Errorf("%q: got %s, %v, want %s", asked, got, err, want)
		}
	}
	for _, asked := range []string{"1.99", "37", "1.36.x", "latest"} {
		if got, err := kubernetesVersion(asked, "v1.37.2"); err == nil || !strings.Contains(err.Error(), asked) {
			t.Errorf("%q: got %s, %v, want an error that names it", asked, got, err)
		}
	}
}

func TestDerivedModuleHasTheReleasesDependencies(t *testing.T) {
	const theirs = `module k8s.io/kubernetes

go 1.24.0

require (
	example.com/a v1.2.3
	example.com/b v0.0.0-20250101000000-0123456789ab // indirect
	k8s.io/api v0.0.0
)

replace (
	k8s.io/api => ./staging/src/k8s.io/api
	k8s.io/kms => ./staging/src/k8s.io/kms
)
`
	const want = `
go 1.24.0

// The programs of Kubernetes that the tests and the demo run, with the dependencies of their own release alone.
tool (
	k8s.io/kubernetes/cmd/kube-apiserver
	k8s.io/kubernetes/cmd/kube-controller-manager
	k8s.io/kubernetes/cmd/kubelet
)

require (
	k8s.io/kubernetes v1.34.9
	example.com/a v1.2.3 // indirect
	example.com/b v0.0.0-20250101000000-0123456789ab // indirect
)

replace (
	k8s.io/api => k8s.io/api v0.34.9
	k8s.io/kms => k8s.io/kms v0.34.9
)
`
	_, got, _ := strings.Cut(kubeRecipe("kube-apiserver").derivedMod(theirs, "v1.34.9"), "hack/envtest/kube\n")
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestAnotherReleaseIsResolvedAndBuiltOnce(t *testing.T) {
	calls := useFakeGo(t, "ok")
	dir := filepath.Join(t.TempDir(), "bin")
	for range 2 {
		if err := ensureKubernetes(t, dir, "1.35.1"); err != nil {
			t.Fatal(err)
		}
	}
	wantCalls(t, calls, "resolve", "etcd", "kube-apiserver")
	wantFiles(t, dir, ".etcd.stamp", ".kube-apiserver.stamp", ".kube-v1.35.1", "etcd", "kube-apiserver")
	if err := ensureKubernetes(t, dir, ""); err != nil {
		t.Fatal(err)
	}
	wantCalls(t, calls, "resolve", "etcd", "kube-apiserver", "kube-apiserver")
}

func TestFailedResolutionLeavesNothing(t *testing.T) {
	useFakeGo(t, "fails")
	dir := t.TempDir()
	if err := ensureKubernetes(t, dir, "1.35.1"); err == nil || !strings.Contains(err.Error(), "no such version") {
		t.Fatalf("error %v, want go mod download's", err)
	}
	wantFiles(t, dir)
}
