// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/retry"
	"k8s.io/utils/ptr"

	"github.com/kube-elector/elector/test/harness"
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
	_, err = s.plane.Admin.CoordinationV1().Leases(s.space).Patch(ctx, leaseName, types.MergePatchType, text, metav1.PatchOptions{})
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
	return s.plane.Admin.CoordinationV1().Leases(s.space).Delete(ctx, leaseName, metav1.DeleteOptions{})
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
	blanked = written("holder blanked", map[string]any{"holderIdentity": ""})
	bare    = onLease("annotations removed", func(ctx context.Context, s *stage) error {
		return s.edit(ctx, map[string]any{"metadata": map[string]any{"annotations": nil}})
	})
	labelled = onLease("labels edited", func(ctx context.Context, s *stage) error {
		marks := map[string]any{marker: "yes"}
		return s.edit(ctx, map[string]any{"metadata": map[string]any{"labels": marks, "annotations": marks}})
	})
)

// reapplied restores an old copy of the Lease, as a backup or kubectl does.
func reapplied(old *coordinationv1.Lease) ailment {
	return onLease("old copy re-applied", func(ctx context.Context, s *stage) error {
		leases := s.plane.Admin.CoordinationV1().Leases(s.space)
		return retry.RetryOnConflict(retry.DefaultRetry, func() error {
			now, err := leases.Get(ctx, leaseName, metav1.GetOptions{})
			if err != nil {
				return err
			}
			now.Spec, now.Labels, now.Annotations = old.Spec, old.Labels, old.Annotations
			metav1.SetMetaDataAnnotation(&now.ObjectMeta, handMark, "yes")
			_, err = leases.Update(ctx, now, metav1.UpdateOptions{})
			return err
		})
	})
}

// Faults of permissions and admission.
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
	stripped = ailment{
		name: "annotations stripped by a policy", on: everyReplica,
		inject: func(ctx context.Context, s *stage, _ *pod) error { return s.stripAnnotations(ctx) },
		heal:   func(ctx context.Context, s *stage, _ *pod) error { return s.keepAnnotations(ctx) },
	}
)

var writesOfLeases = &admissionv1.MatchResources{ResourceRules: []admissionv1.NamedRuleWithOperations{{
	RuleWithOperations: admissionv1.RuleWithOperations{
		Operations: []admissionv1.OperationType{admissionv1.Create, admissionv1.Update},
		Rule:       admissionv1.Rule{APIGroups: []string{"coordination.k8s.io"}, APIVersions: []string{"v1"}, Resources: []string{"leases"}},
	},
}}}

// stripAnnotations makes admission remove all annotations from every Lease written in the stage's namespace. It returns
// when the policy is in effect.
func (s *stage) stripAnnotations(ctx context.Context) error {
	api := s.plane.Admin.AdmissionregistrationV1()
	policy := &admissionv1.MutatingAdmissionPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: s.space},
		Spec: admissionv1.MutatingAdmissionPolicySpec{
			FailurePolicy: ptr.To(admissionv1.Fail), ReinvocationPolicy: admissionv1.NeverReinvocationPolicy,
			MatchConstraints: writesOfLeases,
			MatchConditions: []admissionv1.MatchCondition{
				{Name: "here", Expression: fmt.Sprintf("object.metadata.namespace == %q && has(object.metadata.annotations)", s.space)},
			},
			Mutations: []admissionv1.Mutation{{
				PatchType: admissionv1.PatchTypeJSONPatch,
				JSONPatch: &admissionv1.JSONPatch{Expression: `[JSONPatch{op: "remove", path: "/metadata/annotations"}]`},
			}},
		},
	}
	if _, err := api.MutatingAdmissionPolicies().Create(ctx, policy, metav1.CreateOptions{}); err != nil {
		return err
	}
	if _, err := api.MutatingAdmissionPolicyBindings().Create(ctx, &admissionv1.MutatingAdmissionPolicyBinding{
		ObjectMeta: metav1.ObjectMeta{Name: s.space},
		Spec:       admissionv1.MutatingAdmissionPolicyBindingSpec{PolicyName: s.space},
	}, metav1.CreateOptions{}); err != nil {
		return err
	}
	trial := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: "trial", Annotations: map[string]string{marker: "yes"}}}
	return harness.Poll(ctx, startGrace, "annotations to be stripped", func(ctx context.Context) error {
		made, err := s.plane.Admin.CoordinationV1().Leases(s.space).Create(ctx, trial, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		if err == nil && len(made.Annotations) > 0 {
			err = fmt.Errorf("they are still there: %v", made.Annotations)
		}
		return err
	})
}

func (s *stage) keepAnnotations(ctx context.Context) error {
	api := s.plane.Admin.AdmissionregistrationV1()
	return errors.Join(
		api.MutatingAdmissionPolicyBindings().Delete(ctx, s.space, metav1.DeleteOptions{}),
		api.MutatingAdmissionPolicies().Delete(ctx, s.space, metav1.DeleteOptions{}))
}

// forbidUpdates has admission refuse every update of a Lease in the stage's namespace.
func (s *stage) forbidUpdates(ctx context.Context) error {
	api := s.plane.Admin.AdmissionregistrationV1()
	policy := &admissionv1.ValidatingAdmissionPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: s.space},
		Spec: admissionv1.ValidatingAdmissionPolicySpec{
			FailurePolicy:    ptr.To(admissionv1.Fail),
			MatchConstraints: writesOfLeases,
			Validations: []admissionv1.Validation{{
				Expression: fmt.Sprintf("request.operation == \"CREATE\" || object.metadata.namespace != %q", s.space), Message: "chaos",
			}},
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
	api := s.plane.Admin.AdmissionregistrationV1()
	if err := api.ValidatingAdmissionPolicyBindings().Delete(ctx, s.space, metav1.DeleteOptions{}); err != nil {
		return err
	}
	return api.ValidatingAdmissionPolicies().Delete(ctx, s.space, metav1.DeleteOptions{})
}
