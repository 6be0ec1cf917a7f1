// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"fmt"
	"slices"
)

// role returns the smallest role that lets a replica lead.
func role(namespace, name string) string {
	return fmt.Sprintf(`apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  namespace: %[1]s
  name: %[2]s-leader-election
rules:
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  resourceNames: [%[2]s]
  verbs: [get, update, watch]
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [create]
`, namespace, name)
}

// shardsRole is what a replica needs with shards. Their Leases have many names. Without the verb delete, Leases of
// replicas that are gone stay.
func shardsRole(namespace, name string) string {
	return fmt.Sprintf(`apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  namespace: %[1]s
  name: %[2]s-shards
rules:
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [get, list, watch, create, update, delete]
`, namespace, name)
}

// podsRole returns the smallest role that lets a replica notice a crash.
func podsRole(namespace string) string {
	return fmt.Sprintf(`apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  namespace: %s
  name: crash-detection
rules:
- apiGroups: [""]
  resources: [pods]
  verbs: [get, watch]
`, namespace)
}

// role is the least that lets a leader write its EndpointSlices.
func (s *leaderServices) role() string {
	names := ""
	for _, p := range slices.Concat(s.publish, s.vacate) {
		names += "- " + p.name + "\n  "
	}
	return fmt.Sprintf(`apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  namespace: %[1]s
  name: leader-service
rules:
- apiGroups: [discovery.k8s.io]
  resources: [endpointslices]
  resourceNames:
  %[2]sverbs: [get, list, watch, update]
- apiGroups: [discovery.k8s.io]
  resources: [endpointslices]
  verbs: [create]
- apiGroups: [""]
  resources: [pods]
  verbs: [get]
`, s.namespace, names)
}
