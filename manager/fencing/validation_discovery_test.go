// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package fencing

import (
	"errors"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/ptr"
)

func TestUnservedNamesWhatTheClusterDoesNotHave(t *testing.T) {
	mapper := meta.NewDefaultRESTMapper(nil)
	for _, version := range []string{"v1", "v2"} {
		mapper.Add(schema.GroupVersionKind{Group: "example.com", Version: version, Kind: "Beacon"}, meta.RESTScopeNamespace)
	}
	mapper.Add(schema.GroupVersionKind{Version: "v1", Kind: "Node"}, meta.RESTScopeRoot)
	mapper.Add(schema.GroupVersionKind{Group: "other.example.com", Version: "v1", Kind: "Pod"}, meta.RESTScopeNamespace)
	for name, test := range map[string]struct {
		group, version, resource, scope string
		want                            string // "" for no error
	}{
		"served":                      {"example.com", "v2", "beacons", "", ""},
		"its status, any version":     {"example.com", "*", "beacons/status", "Namespaced", ""},
		"of the core group":           {"", "v1", "nodes", "Cluster", ""},
		"misspelled":                  {"example.com", "v1", "beakons", "", `Resources[0].Resources: "beakons": the cluster has no such resource in the API group "example.com"`},
		"in singular":                 {"example.com", "v1", "beacon/status", "", `"beacon": the cluster has no such resource`},
		"of another group":            {"", "v1", "pods", "", `"pods": the cluster has no such resource in the API group ""`},
		"of no group of this cluster": {"none.example.com", "v1", "beacons", "", `"beacons": the cluster has no such resource`},
		"in no such version":          {"example.com", "v3", "beacons", "", `Resources[0].APIVersions: ["v3"]: the cluster serves beacons.example.com as ["v1" "v2"]`},
		"of the other scope":          {"example.com", "v1", "beacons", "Cluster", `Resources[0].Scope: "Cluster": the scope of beacons.example.com is "Namespaced"`},
		"of the other scope, in none": {"", "v1", "nodes", "Namespaced", `Resources[0].Scope: "Namespaced": the scope of nodes is "Cluster"`},
	} {
		rule := admissionv1.Rule{APIGroups: []string{test.group}, APIVersions: []string{test.version}, Resources: []string{test.resource}}
		if test.scope != "" {
			rule.Scope = ptr.To(admissionv1.ScopeType(test.scope))
		}
		err := (Settings{Resources: []admissionv1.Rule{rule}}).Unserved(mapper)
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s: %v, want %s", name, err, test.want)
		}
	}
	if err := valid().Unserved(noDiscovery{mapper}); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("without an answer: %v", err)
	}
}

type noDiscovery struct{ meta.RESTMapper }

func (noDiscovery) ResourcesFor(schema.GroupVersionResource) ([]schema.GroupVersionResource, error) {
	return nil, errors.ErrUnsupported
}
