// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"fmt"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	utilrand "k8s.io/apimachinery/pkg/util/rand"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	operatorconfig "github.com/kube-elector/elector/examples/operator/config"
	"github.com/kube-elector/elector/manager"
	"github.com/kube-elector/elector/manager/fencing"
)

func TestEpochComparesTokensAsNumbers(t *testing.T) {
	o := newOperator(t, restConfig, namespace(t), 1)
	o.install(t, o.settings(fencing.Epoch))
	for _, test := range []struct {
		was, is string // "" for none
		refused bool
	}{
		{"", "", false},
		{"", "7", false},
		{"7", "7", false},
		{"7", "8", false},
		{"9", "10", false},
		{"99", "100", false},
		{"8", "7", true},
		{"10", "9", true},
		{"100", "99", true},
		{"7", "", true},
		{"7", "rubbish", true},
		{"7", "-8", true},
		{"7", "08", true},
		{"7", "8 ", true},
		{"7", strings.Repeat("9", 21), true}, // no resourceVersion
	} {
		object := o.tokened(t, test.was)
		if number(t, object.ResourceVersion) <= 100 {
			t.Fatal("the tokens are above the object's resourceVersion")
		}
		err := o.writeToken(t, object, test.is)
		if refusal, _ := fencing.RefusalOf(err); (refusal.Policy == fencing.Epoch) != test.refused || !test.refused && err != nil {
			t.Errorf("%q over %q: %v, want it refused: %v", test.is, test.was, err, test.refused)
		}
	}
}

// tokened makes a ConfigMap with this token in it.
func (o *operator) tokened(t *testing.T, token string) *corev1.ConfigMap {
	t.Helper()
	object := o.configMap("tokened-" + utilrand.String(8))
	object.Annotations = map[string]string{"other": "kept"}
	if token != "" {
		object.Annotations[fencing.TokenAnnotation] = token
	}
	o.mustCreate(t, object)
	return object
}

// writeToken updates the object, with this token or none, as the operator.
func (o *operator) writeToken(t *testing.T, object *corev1.ConfigMap, token string) error {
	t.Helper()
	delete(object.Annotations, fencing.TokenAnnotation)
	if token != "" {
		object.Annotations[fencing.TokenAnnotation] = token
	}
	return o.pods[0].Update(t.Context(), object)
}

// No leader of this cluster wrote this into the object. It comes from a copy from another cluster, or from a person.
var foreignTokens = []string{
	"98765432109", "9223372036854775807", "18446744073709551615", "18446744073709551616", strings.Repeat("9", 30),
	strings.Repeat("9", 200_000), "0", "00", "08", "-8", "+8", "8.0", "1e3", "0x8", " 8", "8 ", "8\n", "\u0668", "rubbish", "\u00a0", " ",
}

func TestEpochIgnoresTokensThatNoLeaderOfThisClusterWrote(t *testing.T) {
	o := newOperator(t, restConfig, namespace(t), 1)
	token := o.takeOver(t, o.pods[0])
	o.install(t, o.settings(fencing.Epoch))
	for _, foreign := range foreignTokens {
		name := foreign[:min(len(foreign), 40)]
		if err := o.writeToken(t, o.tokened(t, foreign), token); err != nil {
			t.Errorf("%q was in a new object, the leader: %v", name, err)
		}
		object := o.tokened(t, "")
		if err := o.admin.Patch(t.Context(), object, stamp(foreign)); err != nil {
			t.Fatal(err)
		}
		if err := o.pods[0].Patch(t.Context(), object, client.RawPatch(types.MergePatchType, []byte(`{"data":{"a":"1"}}`))); err != nil {
			t.Errorf("a person wrote %q, the leader, without a token: %v", name, err)
		}
		if err := o.writeToken(t, object, token); err != nil {
			t.Errorf("a person wrote %q, the leader: %v", name, err)
		}
		if err := o.writeToken(t, object, "1"); !fencing.IsRefused(err) {
			t.Errorf("after %q and the leader's token, a former leader: %v, want it refused", name, err)
		}
	}
	t.Run("re-created", func(t *testing.T) {
		object := o.tokened(t, token)
		if err := o.admin.Delete(t.Context(), object); err != nil {
			t.Fatal(err)
		}
		object.ResourceVersion, object.UID = "", ""
		o.mustCreate(t, object)
		if err := o.writeToken(t, object, "1"); !fencing.IsRefused(err) {
			t.Errorf("a former leader: %v, want it refused, as the token is of this cluster", err)
		}
		if err := o.writeToken(t, object, token); err != nil {
			t.Errorf("the leader: %v", err)
		}
	})
	t.Run("one above the object's version, and one below", func(t *testing.T) {
		object := o.tokened(t, "")
		for above := range uint64(2) {
			// Versions are the whole cluster's. That the next one is the object's happens soon.
			eventually(t, "a token beside the object's resourceVersion", func() bool {
				next := number(t, object.ResourceVersion) + 1
				if err := o.admin.Patch(t.Context(), object, stamp(fmt.Sprint(next-1+2*above))); err != nil {
					t.Fatal(err)
				}
				return number(t, object.ResourceVersion) == next
			})
			if err := o.writeToken(t, object.DeepCopy(), "1"); fencing.IsRefused(err) != (above == 0) {
				t.Errorf("%d above: %v", above, err)
			}
		}
	})
}

// The status of a custom resource may have anything in the field.
func TestEpochSurvivesAnythingInTheStatus(t *testing.T) {
	o := newOperator(t, restConfig, namespace(t), 1)
	crd := o.anythingCRD(t)
	s := o.settings(fencing.Epoch)
	s.StatusToken = "token"
	s.Resources = append(s.Resources, admissionv1.Rule{
		APIGroups: []string{crd.Spec.Group}, APIVersions: []string{"v1"}, Resources: []string{"anythings", "anythings/status"},
	})
	o.install(t, s)
	token := o.takeOver(t, o.pods[0])
	contents := []string{
		"", `"status":null`, `"status":"text"`, `"status":7`, `"status":[]`, `"status":{}`, `"status":{"token":null}`, `"status":{"token":7}`,
		`"status":{"token":7.5}`, `"status":{"token":true}`, `"status":{"token":{}}`, `"status":{"token":["8"]}`, `"status":{"token":""}`,
	}
	for _, foreign := range foreignTokens[:5] {
		contents = append(contents, fmt.Sprintf(`"status":{"token":%q}`, foreign))
	}
	for i, content := range contents {
		object := o.anything(fmt.Sprintf("a%d", i))
		o.mustCreate(t, object)
		patch := func(c client.Client, text string) error {
			return c.Status().Patch(t.Context(), object.DeepCopy(), client.RawPatch(types.MergePatchType, []byte("{"+text+"}")))
		}
		if err := patch(o.admin, content); err != nil {
			t.Fatalf("%s: %v", content, err)
		}
		if err := patch(o.pods[0], `"status":{"other":"1"}`); err != nil {
			t.Errorf("over %s, without a token: %v", content, err)
		}
		if err := patch(o.admin, content); err != nil {
			t.Fatalf("%s: %v", content, err)
		}
		c := manager.Fenced(o.pods[0], leader(token), manager.StampingEpoch(s))
		if err := patch(c, `"status":{"other":"2"}`); err != nil {
			t.Errorf("over %s, the leader: %v", content, err)
		}
		if err := patch(o.pods[0], `"status":{"token":"1"}`); !fencing.IsRefused(err) {
			t.Errorf("over %s and the leader's, a former leader: %v, want it refused", content, err)
		}
	}
}

// beacons returns custom resources with a status.
func (o *operator) beacon(name string) *unstructured.Unstructured {
	u := &unstructured.Unstructured{}
	u.SetAPIVersion("demo.kube-elector.io/v1alpha1")
	u.SetKind("Beacon")
	u.SetNamespace(o.ns)
	u.SetName(name)
	return u
}

func TestEpochFencesTheStatusOfCustomResourcesByAFieldOfIt(t *testing.T) {
	crd, err := operatorconfig.CRD()
	if err != nil {
		t.Fatal(err)
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
	o := newOperator(t, restConfig, namespace(t), 1)
	s := o.settings(fencing.Epoch)
	s.Resources = append(s.Resources, admissionv1.Rule{
		APIGroups: []string{crd.Spec.Group}, APIVersions: []string{"v1alpha1"}, Resources: []string{"beacons", "beacons/status"},
	})
	o.install(t, s)
	p := o.pods[0]
	o.mustCreate(t, o.beacon("a"))
	write := func(text string) error {
		return p.Status().Patch(t.Context(), o.beacon("a"), client.RawPatch(types.MergePatchType, []byte(text)))
	}
	stamped := func(token string) string {
		return fmt.Sprintf(`{"metadata":{"annotations":{%q:%q}},"status":{"litBy":"someone","token":%q}}`, fencing.TokenAnnotation, token, token)
	}
	if err := p.Patch(t.Context(), o.beacon("a"), stamp("50")); err != nil {
		t.Fatal(err)
	}
	t.Run("the annotation does not fence it", func(t *testing.T) {
		if err := write(stamped("49")); err != nil {
			t.Errorf("the API server has learnt to look at the annotations of a status: %v", err)
		}
	})
	s.StatusToken = "token"
	objects, err := fencing.Objects(s)
	if err != nil {
		t.Fatal(err)
	}
	if err := fencing.Install(t.Context(), o.admin, objects...); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the new settings to be in force", func() bool { return fencing.IsRefused(write(`{"status":{"token":"1"}}`)) })
	for _, test := range []struct {
		token   string
		refused bool
	}{{"49", true}, {"50", false}, {"100", false}, {"99", true}, {"", true}, {"100", false}} {
		if err := write(stamped(test.token)); fencing.IsRefused(err) != test.refused || !test.refused && err != nil {
			t.Errorf("token %q in status: %v, want it refused: %v", test.token, err, test.refused)
		}
	}
	t.Run("a touched object's status is fenced, too", func(t *testing.T) {
		if err := p.Patch(t.Context(), o.beacon("a"), stamp("200")); err != nil {
			t.Fatal(err)
		}
		if err := write(stamped("199")); !fencing.IsRefused(err) {
			t.Errorf("token 199 in status: %v, want it refused", err)
		}
		if err := write(stamped("200")); err != nil {
			t.Errorf("token 200 in status: %v", err)
		}
	})
}
