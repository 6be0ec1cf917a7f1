// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package fencing

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Unserved returns an error that names what Resources ask for and the cluster does not have: a resource, all of its
// versions, or its scope. The policies never match it. A custom resource may still be installed later.
func (s Settings) Unserved(mapper meta.RESTMapper) error {
	var f faults
	for i, rule := range s.Resources {
		for _, group := range rule.APIGroups {
			for _, name := range rule.Resources {
				base, _, _ := strings.Cut(name, "/")
				if err := f.unserved(mapper, fmt.Sprintf("Resources[%d].", i), rule, schema.GroupResource{Group: group, Resource: base}); err != nil {
					return err
				}
			}
		}
	}
	return errors.Join(f...)
}

func (f *faults) unserved(mapper meta.RESTMapper, field string, rule admissionv1.Rule, resource schema.GroupResource) error {
	found, err := mapper.ResourcesFor(resource.WithVersion(""))
	if err != nil && !meta.IsNoMatchError(err) {
		return fmt.Errorf("fencing: look for %s: %w", resource, err)
	}
	found = slices.DeleteFunc(found, func(r schema.GroupVersionResource) bool { return r.GroupResource() != resource })
	if len(found) == 0 {
		f.add(field+"Resources", resource.Resource, fmt.Sprintf("the cluster has no such resource in the API group %q", resource.Group))
		return nil
	}
	var versions []string
	for _, r := range found {
		versions = append(versions, r.Version)
	}
	slices.Sort(versions)
	if !slices.ContainsFunc(rule.APIVersions, func(version string) bool { return version == "*" || slices.Contains(versions, version) }) {
		f.add(field+"APIVersions", rule.APIVersions, fmt.Sprintf("the cluster serves %s as %q", resource, versions))
	}
	kind, err := mapper.KindFor(found[0])
	if err != nil {
		return fmt.Errorf("fencing: look for %s: %w", resource, err)
	}
	mapping, err := mapper.RESTMapping(kind.GroupKind(), kind.Version)
	if err != nil {
		return fmt.Errorf("fencing: look for %s: %w", resource, err)
	}
	scope := admissionv1.NamespacedScope
	if mapping.Scope.Name() == meta.RESTScopeNameRoot {
		scope = admissionv1.ClusterScope
	}
	if rule.Scope != nil && *rule.Scope != admissionv1.AllScopes && *rule.Scope != scope {
		f.add(field+"Scope", *rule.Scope, fmt.Sprintf("the scope of %s is %q", resource, scope))
	}
	return nil
}
