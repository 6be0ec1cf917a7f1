// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/pager"
)

// leasesOf reads the Leases of a namespace, or of all if it is "": 500 in a request. Of all namespaces, the API server
// leaves out that of the nodes' heartbeats unless they are wanted.
func leasesOf(ctx context.Context, client kubernetes.Interface, namespace, labels string, heartbeats bool) ([]coordinationv1.Lease, error) {
	options := metav1.ListOptions{LabelSelector: labels}
	if namespace == metav1.NamespaceAll && !heartbeats {
		options.FieldSelector = fields.OneTermNotEqualSelector("metadata.namespace", corev1.NamespaceNodeLease).String()
	}
	var all []coordinationv1.Lease
	list := func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
		return client.CoordinationV1().Leases(namespace).List(ctx, o)
	}
	err := pager.New(list).EachListItem(ctx, options, func(object runtime.Object) error {
		if lease, ok := object.(*coordinationv1.Lease); ok {
			lease.ManagedFields = nil
			all = append(all, *lease)
		}
		return nil
	})
	return all, access{verb: "list", resource: leases, namespace: namespace}.failed(err)
}

// nodeNamespace is where kubelets keep their heartbeats.
const nodeNamespace = corev1.NamespaceNodeLease
