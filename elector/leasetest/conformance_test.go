// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package leasetest_test

import (
	"slices"
	"testing"
	"testing/synctest"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kube-elector/elector/elector/leasetest"
	"github.com/kube-elector/elector/elector/leasetest/conformance"
)

// The same claims are tested on a real kube-apiserver in test/integration.
func TestTheServerConformsToTheLeaseAPI(t *testing.T) {
	for _, claim := range slices.Concat(conformance.Tests(), conformance.JSON()) {
		t.Run(claim.Name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				claim.Run(t, leasetest.NewServer().Client("someone"), "default")
			})
		})
	}
}

// As above.
func TestTheServerConformsToThePodAPI(t *testing.T) {
	for _, claim := range conformance.PodTests() {
		t.Run(claim.Name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				server := leasetest.NewServer()
				claim.Run(t, server.Client("someone"), "default", serverKubelet{server})
			})
		})
	}
}

type serverKubelet struct{ *leasetest.Server }

func (s serverKubelet) Create(name string) *corev1.Pod {
	return s.PutPod(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name}})
}

func (s serverKubelet) Report(name string, change func(*corev1.PodStatus)) *corev1.Pod {
	return s.EditPod("default", name, func(pod *corev1.Pod) { change(&pod.Status) })
}

func (s serverKubelet) Delete(name string) { s.DeletePod("default", name) }
