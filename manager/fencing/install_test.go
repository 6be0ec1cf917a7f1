// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package fencing

import (
	"context"
	"errors"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
)

// Create and Get of a typed client clear the kind, and fill in what the API server has answered.
func TestObjectsThatATypedClientHasCreatedCanBeGivenToEveryFunction(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := admissionv1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	c := fake.NewClientBuilder().WithScheme(scheme).WithReturnManagedFields().Build()
	objects, err := Objects(valid())
	if err != nil {
		t.Fatal(err)
	}
	text, err := YAML(objects...)
	if err != nil {
		t.Fatal(err)
	}
	for _, object := range objects {
		if err := c.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
		if err := c.Get(t.Context(), client.ObjectKeyFromObject(object), object); err != nil {
			t.Fatal(err)
		}
		if object.GetResourceVersion() == "" || object.GetManagedFields() == nil {
			t.Fatalf("the client returns less than a real one: %+v", object)
		}
		object.GetObjectKind().SetGroupVersionKind(schema.GroupVersionKind{})
		object.SetUID("7")
		object.SetGeneration(1)
	}
	if err := Installed(t.Context(), c, objects...); err != nil {
		t.Errorf("Installed: %v", err)
	}
	if err := Install(t.Context(), c, objects...); err != nil {
		t.Errorf("Install: %v", err)
	}
	if got, err := YAML(objects...); err != nil || got != text {
		t.Errorf("YAML: %v\n%s\nwant\n%s", err, got, text)
	}
	if err := Uninstall(t.Context(), c, objects...); err != nil {
		t.Errorf("Uninstall: %v", err)
	}
	if err := Installed(t.Context(), c, objects...); !errors.Is(err, ErrNotInstalled) {
		t.Errorf("still installed: %v", err)
	}
}

func TestAnAPIServerWithoutPoliciesIsToldWhatItLacks(t *testing.T) {
	objects, err := Objects(valid())
	if err != nil {
		t.Fatal(err)
	}
	unknown := &meta.NoKindMatchError{GroupKind: schema.GroupKind{Kind: "ValidatingAdmissionPolicy"}}
	for name, failure := range map[string]error{"too old": unknown, "forbidden": errors.New("forbidden")} {
		c := fake.NewClientBuilder().WithInterceptorFuncs(interceptor.Funcs{
			Get: func(context.Context, client.WithWatch, client.ObjectKey, client.Object, ...client.GetOption) error {
				return failure
			},
			Apply: func(context.Context, client.WithWatch, runtime.ApplyConfiguration, ...client.ApplyOption) error {
				return failure
			},
		}).Build()
		for _, err := range []error{Install(t.Context(), c, objects...), Installed(t.Context(), c, objects...)} {
			if said := strings.Contains(err.Error(), "must be version 1.30 or later"); !errors.Is(err, failure) || said != (failure == error(unknown)) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}
