// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	applyappsv1 "k8s.io/client-go/applyconfigurations/apps/v1"
	applycorev1 "k8s.io/client-go/applyconfigurations/core/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/kube-elector/elector/elector"
	"github.com/kube-elector/elector/manager"
	"github.com/kube-elector/elector/manager/fencing"
)

// leader is a Leadership that takes itself for certain in the term with this token, even when it is not, like a process
// that has just been woken.
type leader string

func (l leader) Remaining() time.Duration { return time.Hour }

func (l leader) Term() (elector.Term, bool) { return elector.Term{Token: elector.Token(l)}, true }

// applying makes an operator with the policy Epoch, a Deployment, and a custom resource whose status has the token,
// too.
func applying(t *testing.T) (*operator, fencing.Settings) {
	t.Helper()
	o := newOperator(t, restConfig, namespace(t), 1)
	s := o.settings(fencing.Epoch)
	s.StatusToken = "token"
	s.Resources = append(s.Resources, admissionv1.Rule{
		APIGroups: []string{"apps"}, APIVersions: []string{"v1"}, Resources: []string{"deployments", "deployments/status"},
	}, admissionv1.Rule{
		APIGroups: []string{o.anythingCRD(t).Spec.Group}, APIVersions: []string{"v1"}, Resources: []string{"anythings", "anythings/status"},
	})
	o.install(t, s)
	o.mustCreate(t, o.anything("x"))
	labels := map[string]string{"app": "x"}
	o.mustCreate(t, &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: o.ns, Name: "x"},
		Spec: appsv1.DeploymentSpec{
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "none"}}},
			},
		},
	})
	return o, s
}

func (o *operator) anything(name string) *unstructured.Unstructured {
	u := &unstructured.Unstructured{}
	u.SetAPIVersion(o.ns + ".example.com/v1")
	u.SetKind("Anything")
	u.SetNamespace(o.ns)
	u.SetName(name)
	return u
}

// anythingCRD installs a custom resource whose status has no schema.
func (o *operator) anythingCRD(t *testing.T) *apiextensionsv1.CustomResourceDefinition {
	t.Helper()
	crd := &apiextensionsv1.CustomResourceDefinition{
		ObjectMeta: metav1.ObjectMeta{Name: "anythings." + o.ns + ".example.com"},
		Spec: apiextensionsv1.CustomResourceDefinitionSpec{
			Group: o.ns + ".example.com", Scope: apiextensionsv1.NamespaceScoped,
			Names: apiextensionsv1.CustomResourceDefinitionNames{Plural: "anythings", Singular: "anything", Kind: "Anything", ListKind: "AnythingList"},
			Versions: []apiextensionsv1.CustomResourceDefinitionVersion{{
				Name: "v1", Served: true, Storage: true,
				Subresources: &apiextensionsv1.CustomResourceSubresources{Status: &apiextensionsv1.CustomResourceSubresourceStatus{}},
				Schema: &apiextensionsv1.CustomResourceValidation{OpenAPIV3Schema: &apiextensionsv1.JSONSchemaProps{
					Type: "object", Properties: map[string]apiextensionsv1.JSONSchemaProps{
						"status": {XPreserveUnknownFields: ptr.To(true), Nullable: true},
					},
				}},
			}},
		},
	}
	options := envtest.CRDInstallOptions{CRDs: []*apiextensionsv1.CustomResourceDefinition{crd}}
	if _, err := envtest.InstallCRDs(restConfig, options); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := envtest.UninstallCRDs(restConfig, options); err != nil {
			t.Error(err)
		}
	})
	return crd
}

// applied returns what the owner applies, a key of ConfigMap x and a condition of Deployment x.
func (o *operator) applied(owner, value string) (spec *applycorev1.ConfigMapApplyConfiguration, status *applyappsv1.DeploymentApplyConfiguration) {
	return applycorev1.ConfigMap("x", o.ns).WithData(map[string]string{owner: value}),
		applyappsv1.Deployment("x", o.ns).WithStatus(applyappsv1.DeploymentStatus().WithConditions(
			applyappsv1.DeploymentCondition().WithType(appsv1.DeploymentConditionType(owner)).WithStatus(corev1.ConditionTrue).WithReason(value)))
}

// unstructuredOf returns the object that a configuration is.
func unstructuredOf(t *testing.T, configuration runtime.ApplyConfiguration) *unstructured.Unstructured {
	t.Helper()
	data, err := json.Marshal(configuration)
	if err != nil {
		t.Fatal(err)
	}
	u := &unstructured.Unstructured{}
	if err := u.UnmarshalJSON(data); err != nil {
		t.Fatal(err)
	}
	return u
}

// applies returns the ways to use server-side apply.
func applies(t *testing.T, o *operator) map[string]func(_ context.Context, _ client.Client, owner, value string) error {
	owned := func(owner string) client.FieldOwner { return client.FieldOwner(owner) }
	return map[string]func(context.Context, client.Client, string, string) error{
		"Apply": func(ctx context.Context, c client.Client, owner, value string) error {
			spec, _ := o.applied(owner, value)
			return c.Apply(ctx, spec, owned(owner))
		},
		"Apply, unstructured": func(ctx context.Context, c client.Client, owner, value string) error {
			spec, _ := o.applied(owner, value)
			return c.Apply(ctx, client.ApplyConfigurationFromUnstructured(unstructuredOf(t, spec)), owned(owner))
		},
		"Apply, forced": func(ctx context.Context, c client.Client, owner, value string) error {
			spec, _ := o.applied(owner, value)
			return c.Apply(ctx, spec, owned(owner), client.ForceOwnership)
		},
		"Apply, dry run after": func(ctx context.Context, c client.Client, owner, value string) error {
			spec, _ := o.applied(owner, value)
			dry, _ := o.applied(owner, value)
			return errors.Join(c.Apply(ctx, dry, owned(owner), client.DryRunAll), c.Apply(ctx, spec, owned(owner)))
		},
		"Patch(client.Apply)": func(ctx context.Context, c client.Client, owner, value string) error {
			object := o.configMap("x")
			object.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"}
			object.Data = map[string]string{owner: value}
			return c.Patch(ctx, object, client.Apply, owned(owner)) //nolint:staticcheck // as many still do
		},
		"Patch(client.Apply), unstructured": func(ctx context.Context, c client.Client, owner, value string) error {
			spec, _ := o.applied(owner, value)
			return c.Patch(ctx, unstructuredOf(t, spec), client.Apply, owned(owner)) //nolint:staticcheck // as many still do
		},
		"Patch of YAML": func(ctx context.Context, c client.Client, owner, value string) error {
			text := "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: x\ndata:\n  " + owner + ": '" + value + "'\n"
			return c.Patch(ctx, o.configMap("x"), client.RawPatch(types.ApplyYAMLPatchType, []byte(text)), owned(owner))
		},
		"Status().Apply": func(ctx context.Context, c client.Client, owner, value string) error {
			_, status := o.applied(owner, value)
			return c.Status().Apply(ctx, status, owned(owner))
		},
		"Status().Apply, unstructured": func(ctx context.Context, c client.Client, owner, value string) error {
			_, status := o.applied(owner, value)
			return c.Status().Apply(ctx, client.ApplyConfigurationFromUnstructured(unstructuredOf(t, status)), owned(owner))
		},
		"Status().Patch(client.Apply)": func(ctx context.Context, c client.Client, owner, value string) error {
			_, status := o.applied(owner, value)
			return c.Status().Patch(ctx, unstructuredOf(t, status), client.Apply, owned(owner)) //nolint:staticcheck // as many still do
		},
		"custom resource, Status().Apply": func(ctx context.Context, c client.Client, owner, value string) error {
			object := o.anything("x")
			object.Object["status"] = map[string]any{owner: value}
			return c.Status().Apply(ctx, client.ApplyConfigurationFromUnstructured(object), owned(owner))
		},
	}
}

// Every owner's apply has the term's token in it, so in the next term each finds the others' old one.
func TestOwnersApplyInEveryTerm(t *testing.T) {
	o, s := applying(t)
	ways := applies(t, o)
	for _, way := range slices.Sorted(maps.Keys(ways)) {
		t.Run(way, func(t *testing.T) {
			for term := range 3 {
				token := o.takeOver(t, o.pods[0])
				c := manager.Fenced(o.pods[0], leader(token), manager.StampingEpoch(s))
				if term == 1 { // by no apply
					if err := c.Patch(t.Context(), o.configMap("x"), client.RawPatch(types.MergePatchType, []byte(`{"data":{"c":"1"}}`))); err != nil {
						t.Fatal(err)
					}
				}
				for _, owner := range []string{"a", "b", "a"} {
					if err := ways[way](t.Context(), c, owner, token); err != nil {
						t.Fatalf("term %d, %s: %v", term, owner, err)
					}
				}
				if got := o.tokenAfter(t, way); got != token {
					t.Errorf("term %d: the token is %q, want %q", term, got, token)
				}
			}
		})
	}
}

// tokenAfter returns the token in what is applied in this way.
func (o *operator) tokenAfter(t *testing.T, way string) string {
	t.Helper()
	object := client.Object(o.configMap("x"))
	custom := o.anything("x")
	switch way[0] {
	case 'S':
		object = &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: o.ns, Name: "x"}}
	case 'c':
		object = custom
	}
	if err := o.admin.Get(t.Context(), client.ObjectKeyFromObject(object), object); err != nil {
		t.Fatal(err)
	}
	if object == custom {
		token, _, _ := unstructured.NestedString(custom.Object, "status", "token")
		return token
	}
	return object.GetAnnotations()[fencing.TokenAnnotation]
}

func TestApplyOfAFormerLeaderIsRefused(t *testing.T) {
	o, s := applying(t)
	old := manager.Fenced(o.pods[0], leader(o.takeOver(t, o.pods[0])), manager.StampingEpoch(s))
	ways := applies(t, o)
	for _, way := range slices.Sorted(maps.Keys(ways)) {
		token := o.takeOver(t, o.pods[0])
		c := manager.Fenced(o.pods[0], leader(token), manager.StampingEpoch(s))
		for _, owner := range []string{"a", "b"} {
			if err := ways[way](t.Context(), c, owner, token); err != nil {
				t.Fatalf("%s, %s: %v", way, owner, err)
			}
		}
		for _, owner := range []string{"a", "b", "c"} {
			if err := ways[way](t.Context(), old, owner, "old"); !errors.Is(err, fencing.ErrRefused) && !apierrors.IsConflict(err) {
				t.Errorf("%s, %s: %v, want it refused", way, owner, err)
			}
		}
	}
	object := o.configMap("x")
	if err := o.admin.Get(t.Context(), client.ObjectKeyFromObject(object), object); err != nil {
		t.Fatal(err)
	}
	if slices.Contains(slices.Collect(maps.Values(object.Data)), "old") {
		t.Errorf("the former leader has written: %v", object.Data)
	}
}

// The token is no reason to take a field from another owner.
func TestConflictOverOtherFieldsStays(t *testing.T) {
	o, s := applying(t)
	apply := func(token, owner string, options ...client.ApplyOption) error {
		c := manager.Fenced(o.pods[0], leader(token), manager.StampingEpoch(s))
		return c.Apply(t.Context(), applycorev1.ConfigMap("x", o.ns).WithData(map[string]string{"shared": owner}), append(options, client.FieldOwner(owner))...)
	}
	if err := apply(o.takeOver(t, o.pods[0]), "a"); err != nil {
		t.Fatal(err)
	}
	token := o.takeOver(t, o.pods[0])
	for _, options := range [][]client.ApplyOption{{client.DryRunAll}, nil, nil} {
		if err := apply(token, "b", options...); !apierrors.IsConflict(err) {
			t.Errorf("%v: %v, want a conflict", options, err)
		}
	}
	object := o.configMap("x")
	if err := o.admin.Get(t.Context(), client.ObjectKeyFromObject(object), object); err != nil || object.Data["shared"] != "a" {
		t.Errorf("the other owner's field is %q: %v", object.Data["shared"], err)
	}
}
