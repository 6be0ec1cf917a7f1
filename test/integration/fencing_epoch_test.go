// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"fmt"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	operatorconfig "github.com/kube-elector/elector/examples/operator/config"
	"github.com/kube-elector/elector/manager/fencing"
)

func TestEpochComparesTokensAsNumbersOfAnyLength(t *testing.T) {
	o := newOperator(t, restConfig, namespace(t), 1)
	o.install(t, o.settings(fencing.Epoch))
	long := strings.Repeat("9", 30)
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
		{long, "1" + long, false},
		{"rubbish", "7", false}, // or nobody could write it any more
		{"0", "1", false},
		{"8", "7", true},
		{"10", "9", true},
		{"100", "99", true},
		{"1" + long, long, true},
		{long, "18446744073709551616", true},
		{"7", "", true},
		{"7", "rubbish", true},
		{"7", "-8", true},
		{"7", "08", true},
		{"7", "8 ", true},
	} {
		object := o.configMap(fmt.Sprintf("a%d", number(t, o.takeOver(t, o.pods[0]))))
		if test.was != "" {
			object.Annotations = map[string]string{fencing.TokenAnnotation: test.was, "other": "kept"}
		}
		o.mustCreate(t, object)
		delete(object.Annotations, fencing.TokenAnnotation)
		if test.is != "" {
			object.Annotations = map[string]string{fencing.TokenAnnotation: test.is}
		}
		err := o.pods[0].Update(t.Context(), object)
		if refusal, _ := fencing.RefusalOf(err); (refusal.Policy == fencing.Epoch) != test.refused || !test.refused && err != nil {
			t.Errorf("%q over %q: %v, want it refused: %v", test.is, test.was, err, test.refused)
		}
	}
}

// beacons are custom resources with a status.
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
