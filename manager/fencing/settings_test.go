// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package fencing

import (
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
)

func TestEveryFaultIsNamedWithItsValueAndRule(t *testing.T) {
	rule := func(group, resource string) []admissionv1.Rule {
		return []admissionv1.Rule{{APIGroups: []string{group}, APIVersions: []string{"v1"}, Resources: []string{resource}}}
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
		{func(s *Settings) { s.Resources = rule("coordination.k8s.io", "leases") }, `Resources[0].Resources: "leases": must not be guarded`},
		{func(s *Settings) { s.Resources = rule("", "events") }, `Resources[0].Resources: "events": must not be guarded`},
		{func(s *Settings) { s.Resources = rule("events.k8s.io", "events") }, `Resources[0].Resources: "events": must not be guarded`},
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
	if err := valid().Validate(); err != nil {
		t.Errorf("without a fault: %v", err)
	}
	if err := (Settings{Lease: valid().Lease, ServiceAccount: valid().ServiceAccount, Policies: []Policy{Guard}}).Validate(); err != nil {
		t.Errorf("Guard needs no Resources, and: %v", err)
	}
	all := (Settings{Exempt: []string{""}, StatusToken: "-"}).Validate().Error()
	if n := strings.Count(all, "\n") + 1; n != 7 {
		t.Errorf("%d faults, want 7:\n%s", n, all)
	}
}
