// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"context"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/kube-elector/elector/elector"
	"github.com/kube-elector/elector/manager/fencing"
)

// beacon is a custom resource.
type beacon struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Status            struct {
		Token string `json:"token,omitempty"`
		Other int64  `json:"other,omitempty"`
	} `json:"status"`
}

func (b *beacon) DeepCopyObject() runtime.Object { c := *b; return &c }

func TestStampingEpochWritesTheStatusOfCustomResources(t *testing.T) {
	group := schema.GroupVersion{Group: "example.com", Version: "v1"}
	mapper := meta.NewDefaultRESTMapper(nil)
	scheme := runtime.NewScheme()
	scheme.AddKnownTypeWithName(group.WithKind("Beacon"), &beacon{})
	mapper.Add(group.WithKind("Beacon"), meta.RESTScopeNamespace)
	other := schema.GroupVersionKind{Group: "other.example.com", Version: "v1", Kind: "Beacon"}
	mapper.Add(other, meta.RESTScopeNamespace)
	if err := corev1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	mapper.Add(corev1.SchemeGroupVersion.WithKind("Pod"), meta.RESTScopeNamespace)
	mapper.Add(corev1.SchemeGroupVersion.WithKind("ConfigMap"), meta.RESTScopeNamespace)
	s := fencing.Settings{StatusToken: "token", Resources: []admissionv1.Rule{
		{APIGroups: []string{"example.com"}, APIVersions: []string{"*"}, Resources: []string{"beacons", "beacons/status"}},
		{APIGroups: []string{""}, APIVersions: []string{"*"}, Resources: []string{"pods/status"}},
	}}
	inTerm(t, func(t *testing.T, ctx context.Context, e *elector.Elector) {
		term, _ := elector.TermFromContext(ctx)
		var sent []map[string]any
		inner := fake.NewClientBuilder().WithScheme(scheme).WithRESTMapper(mapper).Build()
		plain := &unstructured.Unstructured{Object: map[string]any{"status": map[string]any{"other": int64(7)}}}
		plain.SetGroupVersionKind(other)
		c := Fenced(sentTo(inner, &sent), e, StampingEpoch(s), Stamping(plain))
		raw := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "example.com/v1", "kind": "Beacon", "status": map[string]any{"other": int64(7)}}}
		typed := &beacon{}
		typed.Status.Other = 7
		patch := client.RawPatch(types.MergePatchType, []byte(`{"status":{"other":7}}`))
		for name, test := range map[string]struct {
			write              func() error
			annotation, status bool
		}{
			"Create":                       {func() error { return c.Create(ctx, &beacon{}) }, true, false},
			"Status().Update":              {func() error { return c.Status().Update(ctx, typed) }, false, true},
			"Status().Update unstructured": {func() error { return c.Status().Update(ctx, raw.DeepCopy()) }, false, true},
			"Status().Patch":               {func() error { return c.Status().Patch(ctx, typed, patch) }, false, true},
			"Status().Apply": {func() error {
				return c.Status().Apply(ctx, client.ApplyConfigurationFromUnstructured(raw.DeepCopy()))
			}, false, true},
			"no field, Update":         {func() error { return c.Update(ctx, plain.DeepCopy()) }, true, false},
			"no field, Status().Patch": {func() error { return c.Status().Patch(ctx, plain.DeepCopy(), patch) }, false, false},
			"no field, Status().Apply": {func() error {
				return c.Status().Apply(ctx, client.ApplyConfigurationFromUnstructured(plain.DeepCopy()))
			}, false, false},
			"built in, Status().Update": {func() error { return c.Status().Update(ctx, &corev1.Pod{}) }, true, false},
			"built in, Status().Patch":  {func() error { return c.Status().Patch(ctx, &corev1.Pod{}, patch) }, true, false},
			"not guarded":               {func() error { return c.Create(ctx, &corev1.ConfigMap{}) }, false, false},
		} {
			sent = nil
			if err := test.write(); err != nil || len(sent) != 1 {
				t.Errorf("%s: %v, %d writes were sent", name, err, len(sent))
				continue
			}
			annotation, _, _ := unstructured.NestedString(sent[0], "metadata", "annotations", fencing.TokenAnnotation)
			status, _, _ := unstructured.NestedString(sent[0], "status", "token")
			if (annotation == string(term.Token)) != test.annotation || (status == string(term.Token)) != test.status {
				t.Errorf("%s: sent %v", name, sent[0])
			}
			if other, _, _ := unstructured.NestedFieldNoCopy(sent[0], "status", "other"); test.status && other != 7.0 {
				t.Errorf("%s: the rest of the status is %v", name, sent[0]["status"])
			}
		}
	})
}
