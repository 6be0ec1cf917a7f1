// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/kube-elector/elector/test/history"
)

// What an administrator does.

const (
	byHand   = history.ByHand
	stranger = "somebody-else"
	marker   = "chaos.example.com/edited"
	handMark = "chaos.example.com/written-by-hand"
)

// edit merges a patch into the Lease.
func (s *stage) edit(ctx context.Context, patch map[string]any) error {
	text, err := json.Marshal(patch)
	if err != nil {
		return err
	}
	_, err = s.plane.admin.CoordinationV1().Leases(s.space).Patch(ctx, leaseName, types.MergePatchType, text, metav1.PatchOptions{})
	return err
}

// write merges into the Lease's spec. As every writer does, it sets renewTime, unless the fields have it. The annotation
// keeps the API server recording who wrote what: it ceases to when nobody owns a field.
func (s *stage) write(ctx context.Context, fields map[string]any) error {
	spec := map[string]any{"renewTime": metav1.NowMicro()}
	maps.Copy(spec, fields)
	return s.edit(ctx, map[string]any{"spec": spec, "metadata": map[string]any{"annotations": map[string]any{handMark: "yes"}}})
}

func (s *stage) remove(ctx context.Context) error {
	return s.plane.admin.CoordinationV1().Leases(s.space).Delete(ctx, leaseName, metav1.DeleteOptions{})
}

// onLease is a momentary fault of the Lease.
func onLease(name string, do func(context.Context, *stage) error) ailment {
	return ailment{
		name: name, on: theLease,
		inject: func(ctx context.Context, s *stage, _ *pod) error { return do(ctx, s) },
	}
}

func written(name string, fields map[string]any) ailment {
	return onLease(name, func(ctx context.Context, s *stage) error { return s.write(ctx, fields) })
}

var (
	deleted = onLease("Lease deleted", func(ctx context.Context, s *stage) error { return s.remove(ctx) })
	stolen  = onLease("holder edited", func(ctx context.Context, s *stage) error {
		return s.write(ctx, map[string]any{"holderIdentity": stranger, "acquireTime": metav1.NowMicro()})
	})
	blanked  = written("holder blanked", map[string]any{"holderIdentity": ""})
	labelled = onLease("labels edited", func(ctx context.Context, s *stage) error {
		marks := map[string]any{marker: "yes"}
		return s.edit(ctx, map[string]any{"metadata": map[string]any{"labels": marks, "annotations": marks}})
	})
)

// Faults of permissions.
var (
	forbidden = ailment{
		name: "permission withdrawn", on: everyReplica,
		inject: func(ctx context.Context, s *stage, _ *pod) error { return s.withdraw(ctx) },
		heal:   func(ctx context.Context, s *stage, _ *pod) error { return s.grant(ctx) },
	}
	notAdmitted = ailment{
		name: "updates refused by a policy", on: everyReplica,
		inject: func(ctx context.Context, s *stage, _ *pod) error { return s.forbidUpdates(ctx) },
		heal:   func(ctx context.Context, s *stage, _ *pod) error { return s.allowUpdates(ctx) },
	}
)

// forbidUpdates has admission refuse every update of a Lease in the stage's namespace.
func (s *stage) forbidUpdates(ctx context.Context) error {
	api := s.plane.admin.AdmissionregistrationV1()
	policy := &admissionv1.ValidatingAdmissionPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: s.space},
		Spec: admissionv1.ValidatingAdmissionPolicySpec{
			FailurePolicy: ptr.To(admissionv1.Fail),
			MatchConstraints: &admissionv1.MatchResources{ResourceRules: []admissionv1.NamedRuleWithOperations{{
				RuleWithOperations: admissionv1.RuleWithOperations{
					Operations: []admissionv1.OperationType{admissionv1.Update},
					Rule:       admissionv1.Rule{APIGroups: []string{"coordination.k8s.io"}, APIVersions: []string{"v1"}, Resources: []string{"leases"}},
				},
			}}},
			Validations: []admissionv1.Validation{{Expression: fmt.Sprintf("object.metadata.namespace != %q", s.space), Message: "chaos"}},
		},
	}
	if _, err := api.ValidatingAdmissionPolicies().Create(ctx, policy, metav1.CreateOptions{}); err != nil {
		return err
	}
	_, err := api.ValidatingAdmissionPolicyBindings().Create(ctx, &admissionv1.ValidatingAdmissionPolicyBinding{
		ObjectMeta: metav1.ObjectMeta{Name: s.space},
		Spec: admissionv1.ValidatingAdmissionPolicyBindingSpec{
			PolicyName: s.space, ValidationActions: []admissionv1.ValidationAction{admissionv1.Deny},
		},
	}, metav1.CreateOptions{})
	return err
}

func (s *stage) allowUpdates(ctx context.Context) error {
	api := s.plane.admin.AdmissionregistrationV1()
	if err := api.ValidatingAdmissionPolicyBindings().Delete(ctx, s.space, metav1.DeleteOptions{}); err != nil {
		return err
	}
	return api.ValidatingAdmissionPolicies().Delete(ctx, s.space, metav1.DeleteOptions{})
}
