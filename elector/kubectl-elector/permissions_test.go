// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	authorizationv1 "k8s.io/api/authorization/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	coordinationv1 "k8s.io/api/coordination/v1"

	"github.com/kube-elector/elector/elector"
)

// contained makes the Lease that of a leader in a container, as [signed] does. The hash is of the holder "a".
func contained(lease *coordinationv1.Lease) {
	signed("101")(lease)
	lease.Annotations[elector.ContainerAnnotation] = "pods-ns/pod uid " + nonce + " ca978112ca1bbdca"
}

var nonce = strings.Repeat("N", 26)

func TestTheLeadersPodIsShownWithoutItsNonce(t *testing.T) {
	r := reportOf(leaseOf("a", contained), noon)
	if text, err := json.Marshal(r); err != nil || r.Pod != "pods-ns/pod" || !strings.Contains(string(text), `"pod":"pods-ns/pod"`) || strings.Contains(string(text), nonce) {
		t.Errorf("%s, %v", text, err)
	}
	if r := reportOf(leaseOf("b", contained), noon); r.Pod != "" {
		t.Errorf("the Pod of another holder is shown: %s", r.Pod)
	}
}

func TestPermissionsOnPodsAreAskedForWithCrashDetectionOnly(t *testing.T) {
	clientset := fake.NewClientset()
	clientset.PrependReactor("create", "subjectaccessreviews", func(a clienttesting.Action) (bool, runtime.Object, error) {
		review := a.(clienttesting.CreateAction).GetObject().(*authorizationv1.SubjectAccessReview).DeepCopy()
		on := review.Spec.ResourceAttributes
		review.Status.Allowed = on.Resource == "leases" || on.Resource == "pods" && on.Namespace == "pods-ns" && on.Name == "" && on.Verb == "get"
		return true, review, nil
	})
	for _, test := range []struct {
		r     report
		want  []string
		words string
	}{
		{reportOf(leaseOf("a", contained), noon), []string{"watch"}, "watch on Pods (it notices a crash only when the Lease lapses)"},
		{reportOf(leaseOf("a", signed("101")), noon), nil, ""},
	} {
		p, err := check(context.Background(), clientset, "team-a", "operator", test.r)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(p.MissingOnPods, test.want) || len(p.Missing) > 0 || p.words() != test.words {
			t.Errorf("%+v, %q, want %q", p, p.words(), test.words)
		}
	}
	both := permissions{Missing: []string{"watch"}, MissingOnPods: []string{"get", "watch"}}
	if want := "watch (it takes over more slowly without watch), and get, watch on Pods (it notices a crash only when the Lease lapses)"; both.words() != want {
		t.Errorf("%q, want %q", both.words(), want)
	}
}
