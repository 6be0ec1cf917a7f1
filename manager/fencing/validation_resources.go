// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package fencing

import (
	"fmt"
	"slices"
	"strings"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/utils/ptr"

	"github.com/kube-elector/elector/manager/internal/builtin"
)

// Stamped reports whether Epoch compares the tokens in objects of this resource, and returns the field of their status
// that holds the token too, or "".
func (s Settings) Stamped(resource schema.GroupResource) (statusToken string, ok bool) {
	named := func(rule admissionv1.Rule) bool {
		return slices.Contains(rule.APIGroups, resource.Group) && slices.ContainsFunc(rule.Resources, func(name string) bool {
			base, sub, _ := strings.Cut(name, "/")
			return base == resource.Resource && (sub == "" || sub == "*" || sub == "status")
		})
	}
	if !s.Has(Epoch) || !slices.ContainsFunc(s.Resources, named) {
		return "", false
	}
	if builtin.Types().IsGroupRegistered(resource.Group) {
		return "", true // their status carries annotations
	}
	return s.StatusToken, true
}

// resourceFaults returns the rules that Resources break. A policy that locks every replica out is as useless as one
// that never matches a request.
func (s Settings) resourceFaults() faults {
	var f faults
	if len(s.Resources) == 0 && (s.Has(Holder) || s.Has(Epoch)) {
		f.add("Resources", []string{}, "at least one is required by the policies holder and epoch")
	}
	for i, rule := range s.Resources {
		field := fmt.Sprintf("Resources[%d].", i)
		f.list(field+"APIGroups", rule.APIGroups, groupFault)
		f.list(field+"APIVersions", rule.APIVersions, versionFault)
		f.list(field+"Resources", rule.Resources, func(name string) string {
			for _, group := range rule.APIGroups {
				if why := s.resourceFault(group, name); why != "" {
					return why
				}
			}
			return s.coveredBy(name, i)
		})
		if len(rule.APIVersions) > 1 && slices.Contains(rule.APIVersions, "*") {
			f.add(field+"APIVersions", "*", "must be the only version, as it stands for all")
		}
		scopes := []admissionv1.ScopeType{admissionv1.AllScopes, admissionv1.ClusterScope, admissionv1.NamespacedScope}
		if rule.Scope != nil && !slices.Contains(scopes, *rule.Scope) {
			f.add(field+"Scope", *rule.Scope, `must be "*", "Cluster", "Namespaced", or nil for "*"`)
		}
	}
	return f
}

const mustBeNamed = "must be named, as standbys have to write Leases and Events"

// groupFault returns the rule that the API group breaks, or "".
func groupFault(group string) string {
	switch {
	case group == "":
		return ""
	case group == "*":
		return mustBeNamed
	case len(validation.IsDNS1123Subdomain(group)) > 0:
		return "is not an API group: " + validation.IsDNS1123Subdomain(group)[0]
	case !strings.Contains(group, ".") && !builtin.Types().IsGroupRegistered(group):
		return `does not exist: a group without a dot is one of Kubernetes' own, and the core group is ""`
	}
	return ""
}

// versionFault returns the rule that the API version breaks, or "".
func versionFault(version string) string {
	if version == "*" || len(validation.IsDNS1035Label(version)) == 0 {
		return ""
	}
	return `must be a version without its group, such as v1, or "*": ` + validation.IsDNS1035Label(version)[0]
}

// resourceFault returns the rule that the resource of this group breaks, or "".
func (s Settings) resourceFault(group, name string) string {
	base, sub, hasSub := strings.Cut(name, "/")
	switch {
	case base == "*":
		return mustBeNamed
	case len(validation.IsDNS1035Label(base)) > 0:
		return "must be the plural name of a resource, such as deployments: " + validation.IsDNS1035Label(base)[0]
	case hasSub && sub != "*" && len(validation.IsDNS1035Label(sub)) > 0:
		return "must be a resource, or resource/subresource, such as deployments/status: " + validation.IsDNS1035Label(sub)[0]
	}
	if why := unfenceable(group, base, sub); why != "" {
		return why
	}
	if plural, ok := singular(group, base); ok {
		return fmt.Sprintf("must be the plural, %q", plural)
	}
	if s.Has(Epoch) && !s.Has(Holder) && hasSub && sub != "status" && sub != "*" {
		return "cannot be fenced by the policy epoch alone: a subresource other than status carries no annotations"
	}
	return ""
}

// singular reports whether a built-in kind of the group has this singular name, and returns the plural.
func singular(group, name string) (plural string, ok bool) {
	for gvk := range builtin.Types().AllKnownTypes() {
		if gvk.Group != group || strings.ToLower(gvk.Kind) != name {
			continue
		}
		if plural, _ := meta.UnsafeGuessKindToResource(gvk); plural.Resource != name {
			return plural.Resource, true
		}
	}
	return "", false
}

// coveredBy returns a fault if the resource of the rule at i is named a second time, by "resource/*" or by an earlier
// rule.
func (s Settings) coveredBy(name string, i int) string {
	base, sub, _ := strings.Cut(name, "/")
	rule := s.Resources[i]
	if sub != "*" && slices.Contains(rule.Resources, base+"/*") {
		return fmt.Sprintf("is covered by %q", base+"/*")
	}
	for j, other := range s.Resources[:i] {
		if slices.Contains(other.Resources, name) && ptr.Equal(other.Scope, rule.Scope) &&
			overlap(other.APIGroups, rule.APIGroups) && overlap(other.APIVersions, rule.APIVersions) {
			return fmt.Sprintf("is in Resources[%d] already", j)
		}
	}
	return ""
}

func overlap(a, b []string) bool {
	return slices.ContainsFunc(a, func(s string) bool { return slices.Contains(b, s) })
}
