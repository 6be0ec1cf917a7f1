// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"encoding/json"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	coreclient "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"

	"github.com/kube-elector/elector/elector/leasetest/conformance"
)

// What leasetest promises is what a real API server does.
func TestTheRealServerConformsToTheLeaseAPI(t *testing.T) {
	for contentType, claims := range map[string][]conformance.Test{
		"":                      conformance.Tests(), // client-go's default
		runtime.ContentTypeJSON: slices.Concat(conformance.Tests(), conformance.JSON()),
	} {
		config := rest.CopyConfig(restConfig)
		config.ContentType = contentType
		config.QPS = -1 // the client's own limiter must not decide the races
		client, err := kubernetes.NewForConfig(config)
		if err != nil {
			t.Fatal(err)
		}
		for _, claim := range claims {
			t.Run(contentType+"/"+claim.Name, func(t *testing.T) {
				t.Parallel()
				claim.Run(t, client, namespace(t))
			})
		}
	}
}

func TestTheRealServerConformsToThePodAPI(t *testing.T) {
	for _, claim := range conformance.PodTests() {
		t.Run(claim.Name, func(t *testing.T) {
			t.Parallel()
			ns := namespace(t)
			client := kubernetes.NewForConfigOrDie(restConfig)
			claim.Run(t, client, ns, realKubelet{t, client.CoreV1().Pods(ns)})
		})
	}
}

type realKubelet struct {
	t    *testing.T
	pods coreclient.PodInterface
}

func (k realKubelet) Create(name string) *corev1.Pod {
	k.t.Helper()
	pod, err := k.pods.Create(k.t.Context(), &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       corev1.PodSpec{NodeName: "node", Containers: []corev1.Container{{Name: "main", Image: "none"}}},
	}, metav1.CreateOptions{})
	if err != nil {
		k.t.Fatal(err)
	}
	return pod
}

func (k realKubelet) Report(name string, change func(*corev1.PodStatus)) *corev1.Pod {
	k.t.Helper()
	var status corev1.PodStatus
	change(&status)
	patch, err := json.Marshal(map[string]any{"status": status})
	if err != nil {
		k.t.Fatal(err)
	}
	pod, err := k.pods.Patch(k.t.Context(), name, types.StrategicMergePatchType, patch, metav1.PatchOptions{}, "status")
	if err != nil {
		k.t.Fatal(err)
	}
	return pod
}

func (k realKubelet) Delete(name string) {
	k.t.Helper()
	if err := k.pods.Delete(k.t.Context(), name, *metav1.NewDeleteOptions(0)); err != nil {
		k.t.Fatal(err)
	}
}
