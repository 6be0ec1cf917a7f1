// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package fencing

import (
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/ptr"
)

func TestEveryFaultIsNamedWithItsValueAndRule(t *testing.T) {
	rule := func(group string, resources ...string) []admissionv1.Rule {
		return []admissionv1.Rule{{APIGroups: []string{group}, APIVersions: []string{"v1"}, Resources: resources}}
	}
	guarding := func(group string, resources ...string) func(*Settings) {
		return func(s *Settings) { s.Resources = rule(group, resources...) }
	}
	versions := func(versions ...string) func(*Settings) {
		return func(s *Settings) { s.Resources[0].APIVersions = versions }
	}
	scope := func(scope string) func(*Settings) {
		return func(s *Settings) { s.Resources[0].Scope = ptr.To(admissionv1.ScopeType(scope)) }
	}
	for _, test := range []struct {
		change func(*Settings)
		want   string
	}{
		{func(s *Settings) { s.Lease.Namespace = "" }, `Lease.Namespace: "": is required`},
		{func(s *Settings) { s.Lease.Namespace = "A" }, `Lease.Namespace: "A": a lowercase RFC 1123 label`},
		{func(s *Settings) { s.Lease.Name = "" }, `Lease.Name: "": is required`},
		{func(s *Settings) { s.Lease.Name = "a_b" }, `Lease.Name: "a_b": a lowercase RFC 1123 subdomain`},
		{func(s *Settings) { s.Lease.Name = strings.Repeat("a", 240) }, "bytes too long"},
		{func(s *Settings) { s.ServiceAccount.Namespace = "" }, `ServiceAccount.Namespace: "": is required`},
		{func(s *Settings) { s.ServiceAccount.Name = "a b" }, `ServiceAccount.Name: "a b": a lowercase`},
		{func(s *Settings) { s.Resources = nil }, "Resources: []: at least one is required"},
		{func(s *Settings) { s.Resources[0].APIGroups = nil }, "Resources[0].APIGroups: []: at least one is required"},
		{func(s *Settings) { s.Resources[0].APIVersions = nil }, "Resources[0].APIVersions: []: at least one is required"},
		{func(s *Settings) { s.Resources[0].Resources = nil }, "Resources[0].Resources: []: at least one is required"},
		{func(s *Settings) { s.Resources = rule("*", "deployments") }, `Resources[0].APIGroups: "*": must be named`},
		{func(s *Settings) { s.Resources = rule("apps", "*") }, `Resources[0].Resources: "*": must be named`},
		{func(s *Settings) { s.Resources = rule("apps", "*/*") }, `Resources[0].Resources: "*/*": must be named`},
		{func(s *Settings) { s.Resources = rule("coordination.k8s.io", "leases") }, `Resources[0].Resources: "leases": must not be fenced`},
		{func(s *Settings) { s.Resources = rule("", "events") }, `Resources[0].Resources: "events": must not be fenced`},
		{func(s *Settings) { s.Resources = rule("events.k8s.io", "events") }, `Resources[0].Resources: "events": must not be fenced`},
		{guarding("coordination.k8s.io", "leases/*"), `Resources[0].Resources: "leases/*": must not be fenced: a standby could never claim`},
		{guarding("coordination.k8s.io", "leases/status"), `"leases/status": must not be fenced`},
		{guarding("", "events/*"), `Resources[0].Resources: "events/*": must not be fenced: standbys record`},
		{guarding("events.k8s.io", "events/*"), `"events/*": must not be fenced`},
		{guarding("apps", "*/status"), `"*/status": must be named`},
		{guarding("apps", "*/"), `"*/": must be named`},
		{guarding("apps", ""), `Resources[0].Resources: "": must be the plural name of a resource`},
		{guarding("apps", "Deployments"), `"Deployments": must be the plural name of a resource`},
		{guarding("apps", " deployments"), `" deployments": must be the plural name of a resource`},
		{guarding("apps", "/status"), `"/status": must be the plural name of a resource`},
		{guarding("apps", "deployments/"), `"deployments/": must be a resource, or resource/subresource`},
		{guarding("apps", "deployments/Status"), `"deployments/Status": must be a resource, or resource/subresource`},
		{guarding("apps", "deployments/status/x"), `"deployments/status/x": must be a resource, or resource/subresource`},
		{guarding("apps", "deployment"), `"deployment": must be the plural, "deployments"`},
		{guarding("", "configmap"), `"configmap": must be the plural, "configmaps"`},
		{guarding("networking.k8s.io", "networkpolicy/status"), `must be the plural, "networkpolicies"`},
		{guarding("", "pods/exec"), `"pods/exec": cannot be fenced: it is connected to (CONNECT)`},
		{guarding("", "pods/attach"), `"pods/attach": cannot be fenced: it is connected to`},
		{guarding("", "pods/portforward"), `"pods/portforward": cannot be fenced: it is connected to`},
		{guarding("", "pods/proxy"), `"pods/proxy": cannot be fenced: it is connected to`},
		{guarding("", "services/proxy"), `"services/proxy": cannot be fenced: it is connected to`},
		{guarding("", "nodes/proxy"), `"nodes/proxy": cannot be fenced: it is connected to`},
		{guarding("", "pods/*"), `"pods/*": cannot be fenced: some of its subresources`},
		{guarding("", "services/*"), `"services/*": cannot be fenced: some of its subresources`},
		{guarding("", "nodes/*"), `"nodes/*": cannot be fenced: some of its subresources`},
		{func(s *Settings) { s.Resources = append(s.Resources, rule("apps", "deployments")...) }, `Resources[1].Resources: "deployments": is in Resources[0] already`},
		{guarding("", "pods/log"), `"pods/log": cannot be fenced: it is only read`},
		{guarding("admissionregistration.k8s.io", "validatingadmissionpolicies"), `"validatingadmissionpolicies": cannot be fenced: the API server asks no policy`},
		{guarding("admissionregistration.k8s.io", "mutatingwebhookconfigurations"), `"mutatingwebhookconfigurations": cannot be fenced`},
		{guarding("admissionregistration.k8s.io", "validatingadmissionpolicies/status"), `"validatingadmissionpolicies/status": cannot be fenced`},
		{guarding("authorization.k8s.io", "subjectaccessreviews"), `"subjectaccessreviews": cannot be fenced`},
		{guarding("authentication.k8s.io", "tokenreviews"), `"tokenreviews": cannot be fenced`},
		{guarding("apps", "deployments", "deployments"), `Resources[0].Resources: "deployments": is named twice`},
		{guarding("apps", "deployments/*", "deployments/status"), `"deployments/status": is covered by "deployments/*"`},
		{guarding("apps", "deployments", "deployments/*"), `"deployments": is covered by "deployments/*"`},
		{guarding("Apps", "deployments"), `Resources[0].APIGroups: "Apps": is not an API group`},
		{guarding("apps/v1", "deployments"), `"apps/v1": is not an API group`},
		{guarding("core", "pods"), `Resources[0].APIGroups: "core": does not exist`},
		{guarding("v1", "pods"), `Resources[0].APIGroups: "v1": does not exist`},
		{func(s *Settings) { s.Resources[0].APIGroups = []string{"apps", "apps"} }, `Resources[0].APIGroups: "apps": is named twice`},
		{func(s *Settings) {
			s.Resources[0].APIGroups = []string{"apps", "coordination.k8s.io"}
			s.Resources[0].Resources = []string{"leases"}
		},
			`"leases": must not be fenced`},
		{versions(""), `Resources[0].APIVersions: "": must be a version`},
		{versions("V1"), `Resources[0].APIVersions: "V1": must be a version`},
		{versions("apps/v1"), `Resources[0].APIVersions: "apps/v1": must be a version`},
		{versions("*", "v1"), `Resources[0].APIVersions: "*": must be the only version`},
		{versions("v1", "v1"), `Resources[0].APIVersions: "v1": is named twice`},
		{scope("Bogus"), `Resources[0].Scope: "Bogus": must be`},
		{scope("namespaced"), `Resources[0].Scope: "namespaced": must be`},
		{scope(""), `Resources[0].Scope: "": must be`},
		{func(s *Settings) { s.Resources = rule("apps", "deployments/scale"); s.Policies = []Policy{Epoch} },
			`"deployments/scale": cannot be fenced by the policy epoch alone`},
		{func(s *Settings) { s.Resources = append(s.Resources, rule("", "pods/exec")...) }, `Resources[1].Resources: "pods/exec": cannot`},
		{func(s *Settings) { s.Namespaces = []string{"a", "a"} }, `Namespaces: "a": is named twice`},
		{func(s *Settings) { s.Exempt = []string{"a", "a"} }, `Exempt: "a": is named twice`},
		{func(s *Settings) { s.Exempt = []string{strings.Repeat("a", 129)} }, `must be a field manager`},
		{func(s *Settings) { s.StatusToken = "in" }, `StatusToken: "in": must not be a reserved word`},
		{func(s *Settings) { s.Policies = []Policy{Guard, Guard} }, `Policies[1]: "guard": is named twice`},
		{func(s *Settings) { s.Namespaces = []string{"a", "B"} }, `Namespaces[1]: "B": a lowercase`},
		{func(s *Settings) { s.Exempt = []string{""} }, `Exempt[0]: "": must be a field manager`},
		{func(s *Settings) { s.Exempt = []string{"a\nb"} }, `Exempt[0]: "a\nb": must be a field manager`},
		{func(s *Settings) { s.StatusToken = "a.b" }, `StatusToken: "a.b": must be the name of one field`},
		{func(s *Settings) { s.Policies = []Policy{Guard, "gard"} }, `Policies[1]: "gard": must be "holder", "epoch" or "guard"`},
	} {
		s := valid()
		test.change(&s)
		if err := s.Validate(); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v\nwant %s", err, test.want)
		}
		if objects, err := Objects(s); err == nil || objects != nil {
			t.Errorf("%s: there are objects all the same, %v", test.want, err)
		}
	}
	for name, change := range map[string]func(*Settings){
		"no fault":                        func(*Settings) {},
		"no Resources, for Guard":         func(s *Settings) { s.Resources, s.Policies = nil, []Policy{Guard} },
		"all subresources":                guarding("apps", "deployments/*"),
		"scale, by Holder too":            guarding("apps", "deployments/scale"),
		"names that are plural already":   guarding("", "endpoints", "pods", "namespaces"),
		"a custom resource, in singular?": guarding("example.com", "deployment"),
		"evictions and bindings":          guarding("", "pods/eviction", "pods/binding", "bindings"),
		"every version":                   versions("*"),
		"a scope":                         scope("Namespaced"),
		"a field manager as people write": func(s *Settings) { s.Exempt = []string{`größe "x"`} },
	} {
		s := valid()
		change(&s)
		if err := s.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	all := (Settings{Exempt: []string{""}, StatusToken: "-"}).Validate().Error()
	if n := strings.Count(all, "\n") + 1; n != 7 {
		t.Errorf("%d faults, want 7:\n%s", n, all)
	}
}

func TestStampedAreTheResourcesThatEpochCompares(t *testing.T) {
	s := valid()
	s.StatusToken = "token"
	s.Resources = append(s.Resources, admissionv1.Rule{
		APIGroups: []string{"a.example.com", "b.example.com"}, APIVersions: []string{"v1"}, Resources: []string{"xs/status", "ys/*", "zs/scale"},
	})
	for resource, want := range map[string]string{ // "-" for not stamped
		"deployments.apps": "", "xs.a.example.com": "token", "ys.b.example.com": "token",
		"zs.a.example.com": "-", "xs.apps": "-", "deployments.a.example.com": "-", "pods": "-",
	} {
		got, ok := s.Stamped(schema.ParseGroupResource(resource))
		if !ok {
			got = "-"
		}
		if got != want {
			t.Errorf("%s: %q, want %q", resource, got, want)
		}
	}
	s.Policies = []Policy{Holder}
	if _, ok := s.Stamped(schema.ParseGroupResource("deployments.apps")); ok {
		t.Error("stamped for nothing")
	}
}
