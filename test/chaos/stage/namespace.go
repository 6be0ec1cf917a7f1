// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package stage

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	coordinationv1 "k8s.io/client-go/kubernetes/typed/coordination/v1"

	"github.com/kube-elector/elector/test/chaos/replica"
	"github.com/kube-elector/elector/test/harness"
)

const roleName = "chaos-replica"

// furnish creates the namespace and what is in it.
func (s *Stage) furnish() error {
	ctx, core := s.Ctx, s.Plane.Admin.CoreV1()
	made, err := core.Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "chaos-"}}, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	s.Namespace = made.Name
	work := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: replica.ConfigMap}}
	if _, err := core.ConfigMaps(s.Namespace).Create(ctx, work, metav1.CreateOptions{}); err != nil {
		return err
	}
	role := &rbacv1.ClusterRole{
		ObjectMeta: metav1.ObjectMeta{Name: roleName},
		Rules: []rbacv1.PolicyRule{
			{APIGroups: []string{"coordination.k8s.io"}, Resources: []string{"leases"}, Verbs: []string{"get", "list", "watch", "create", "update"}},
			{APIGroups: []string{""}, Resources: []string{"configmaps"}, Verbs: []string{"get", "list", "watch", "patch"}},
			{APIGroups: []string{"", "events.k8s.io"}, Resources: []string{"events"}, Verbs: []string{"create", "patch"}},
		},
	}
	_, err = s.Plane.Admin.RbacV1().ClusterRoles().Create(ctx, role, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return err
	}
	return s.Grant(ctx)
}

// Grant gives the replicas their permissions.
func (s *Stage) Grant(ctx context.Context) error {
	_, err := s.Plane.Admin.RbacV1().RoleBindings(s.Namespace).Create(ctx, &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: roleName},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: roleName},
		Subjects: []rbacv1.Subject{
			{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: harness.ReplicaUser},
			{APIGroup: rbacv1.GroupName, Kind: rbacv1.GroupKind, Name: "system:serviceaccounts:" + s.Namespace},
		},
	}, metav1.CreateOptions{})
	return err
}

// Withdraw takes their permissions away.
func (s *Stage) Withdraw(ctx context.Context) error {
	return s.Plane.Admin.RbacV1().RoleBindings(s.Namespace).Delete(ctx, roleName, metav1.DeleteOptions{})
}

// Leases returns an administrator's client for the Leases of the namespace.
func (s *Stage) Leases() coordinationv1.LeaseInterface {
	return s.Plane.Admin.CoordinationV1().Leases(s.Namespace)
}
