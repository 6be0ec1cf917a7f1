// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package fencing

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"
)

func TestPoliciesChosenAreThoseThereAre(t *testing.T) {
	for _, test := range []struct {
		policies []Policy
		want     []string // before the Lease's name
	}{
		{nil, []string{"keeper", "holder", "epoch", "guard"}},
		{[]Policy{Holder}, []string{"keeper", "holder"}},
		{[]Policy{Epoch}, []string{"epoch"}},
		{[]Policy{Guard, Epoch}, []string{"epoch", "guard"}},
	} {
		s := valid()
		s.Policies = test.policies
		objects, err := Objects(s)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for i, object := range objects {
			name, _, _ := strings.Cut(object.GetName(), ".")
			if _, isPolicy := object.(*admissionv1.ValidatingAdmissionPolicy); isPolicy == (i%2 == 0) {
				got = append(got, name)
			}
		}
		var want []string
		for _, name := range test.want {
			want = append(want, name, name)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%v: policies and bindings %v, want %v", test.policies, got, want)
		}
	}
}

func TestYAMLIsTheObjectsAndNothingElse(t *testing.T) {
	objects, err := Objects(valid())
	if err != nil {
		t.Fatal(err)
	}
	text, err := YAML(objects...)
	if err != nil {
		t.Fatal(err)
	}
	documents := strings.Split(text, "---\n")[1:]
	if len(documents) != len(objects) {
		t.Fatalf("there are %d documents of %d objects", len(documents), len(objects))
	}
	for i, document := range documents {
		switch want := objects[i].(type) {
		case *admissionv1.ValidatingAdmissionPolicy:
			var got admissionv1.ValidatingAdmissionPolicy
			if err := yaml.UnmarshalStrict([]byte(document), &got); err != nil || !reflect.DeepEqual(got.Spec, want.Spec) || got.Name != want.Name {
				t.Errorf("%s: %v", document, err)
			}
		case *admissionv1.ValidatingAdmissionPolicyBinding:
			var got admissionv1.ValidatingAdmissionPolicyBinding
			if err := yaml.UnmarshalStrict([]byte(document), &got); err != nil || !reflect.DeepEqual(got.Spec, want.Spec) {
				t.Errorf("%s: %v", document, err)
			}
		}
		if strings.Contains(document, "creationTimestamp") || strings.Contains(document, "status:") {
			t.Errorf("it has what is not to be applied:\n%s", document)
		}
	}
}

func TestRefusalIsRecognisedInAnyWrapping(t *testing.T) {
	refusal := func(policy string) error {
		return fmt.Errorf("flashing: %w", &apierrors.StatusError{ErrStatus: metav1.Status{
			Message: `deployments.apps "a" is forbidden: ValidatingAdmissionPolicy '` + policy + `' with binding 'b' denied request: no`,
		}})
	}
	want := Refusal{Holder, types.NamespacedName{Namespace: "system", Name: "lease.example.com"}}
	if got, ok := RefusalOf(refusal(valid().name(Holder))); !ok || got != want {
		t.Errorf("%+v, %v, want %+v", got, ok, want)
	}
	for name, err := range map[string]error{
		"none":           nil,
		"another policy": refusal("holder.example.com"),
		"unknown":        refusal("elder.lease.system." + suffix),
		"not the API's":  errors.New(refusal(valid().name(Holder)).Error()),
	} {
		if IsRefused(err) {
			t.Errorf("%s: taken for a refusal: %v", name, err)
		}
	}
}

func TestIdentityNamesThePodOrSaysWhatToSet(t *testing.T) {
	t.Setenv("POD_NAME", "a-1")
	t.Setenv("POD_UID", "")
	if _, err := Identity(); !errors.Is(err, ErrMismatch) || !strings.Contains(err.Error(), `POD_UID: ""`) {
		t.Errorf("without POD_UID: %v", err)
	}
	t.Setenv("POD_UID", "u")
	if got, err := Identity(); err != nil || got != "a-1_u" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestMismatchNamesAllThatDoesNotFit(t *testing.T) {
	user := authenticationv1.UserInfo{Username: "jane", Extra: map[string]authenticationv1.ExtraValue{podName: {"p"}, podUID: {"u"}}}
	err := mismatch(user, valid(), "p_other")
	for _, want := range []string{`"system:serviceaccount:system:operator"`, `"jane"`, `Identity: "p_other"`, `"p_u"`} {
		if !errors.Is(err, ErrMismatch) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want ErrMismatch with %s", err, want)
		}
	}
	user.Username = "system:serviceaccount:system:operator"
	if err := mismatch(user, valid(), "p_u"); err != nil {
		t.Errorf("what fits: %v", err)
	}
}
