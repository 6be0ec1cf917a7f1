// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"context"
	"errors"
	"fmt"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/kube-elector/elector/test/chaos/stage"
	"github.com/kube-elector/elector/test/harness"
)

// Faults of permissions and admission.
var (
	Forbidden = onAccess("permission withdrawn",
		func(ctx context.Context, s *stage.Stage) error { return s.Withdraw(ctx) },
		func(ctx context.Context, s *stage.Stage) error { return s.Grant(ctx) })
	NotAdmitted = onAccess("updates refused by a policy", forbidUpdates, allowUpdates)
	Stripped    = onAccess("annotations stripped by a policy", stripAnnotations, keepAnnotations)
)

func onAccess(name string, inject, heal func(context.Context, *stage.Stage) error) stage.Fault {
	return stage.Fault{
		Name: name, On: stage.EveryReplica,
		Inject: func(ctx context.Context, s *stage.Stage, _ *stage.Replica) error { return inject(ctx, s) },
		Heal:   func(ctx context.Context, s *stage.Stage, _ *stage.Replica) error { return heal(ctx, s) },
	}
}

var writesOfLeases = &admissionv1.MatchResources{ResourceRules: []admissionv1.NamedRuleWithOperations{{
	RuleWithOperations: admissionv1.RuleWithOperations{
		Operations: []admissionv1.OperationType{admissionv1.Create, admissionv1.Update},
		Rule:       admissionv1.Rule{APIGroups: []string{"coordination.k8s.io"}, APIVersions: []string{"v1"}, Resources: []string{"leases"}},
	},
}}}

// stripAnnotations makes admission remove all annotations from every Lease written in the stage's namespace. It returns
// when the policy is in effect.
func stripAnnotations(ctx context.Context, s *stage.Stage) error {
	api := s.Plane.Admin.AdmissionregistrationV1()
	policy := &admissionv1.MutatingAdmissionPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: s.Namespace},
		Spec: admissionv1.MutatingAdmissionPolicySpec{
			FailurePolicy: ptr.To(admissionv1.Fail), ReinvocationPolicy: admissionv1.NeverReinvocationPolicy,
			MatchConstraints: writesOfLeases,
			MatchConditions: []admissionv1.MatchCondition{
				{Name: "here", Expression: fmt.Sprintf("object.metadata.namespace == %q && has(object.metadata.annotations)", s.Namespace)},
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
		ObjectMeta: metav1.ObjectMeta{Name: s.Namespace},
		Spec:       admissionv1.MutatingAdmissionPolicyBindingSpec{PolicyName: s.Namespace},
	}, metav1.CreateOptions{}); err != nil {
		return err
	}
	trial := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: "trial", Annotations: map[string]string{stage.Marker: "yes"}}}
	return harness.Poll(ctx, stage.StartGrace, "annotations to be stripped", func(ctx context.Context) error {
		made, err := s.Leases().Create(ctx, trial, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		if err == nil && len(made.Annotations) > 0 {
			err = fmt.Errorf("they are still there: %v", made.Annotations)
		}
		return err
	})
}

func keepAnnotations(ctx context.Context, s *stage.Stage) error {
	api := s.Plane.Admin.AdmissionregistrationV1()
	return errors.Join(
		api.MutatingAdmissionPolicyBindings().Delete(ctx, s.Namespace, metav1.DeleteOptions{}),
		api.MutatingAdmissionPolicies().Delete(ctx, s.Namespace, metav1.DeleteOptions{}))
}

// forbidUpdates makes admission refuse every update of a Lease in the stage's namespace.
func forbidUpdates(ctx context.Context, s *stage.Stage) error {
	api := s.Plane.Admin.AdmissionregistrationV1()
	policy := &admissionv1.ValidatingAdmissionPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: s.Namespace},
		Spec: admissionv1.ValidatingAdmissionPolicySpec{
			FailurePolicy:    ptr.To(admissionv1.Fail),
			MatchConstraints: writesOfLeases,
			Validations: []admissionv1.Validation{{
				Expression: fmt.Sprintf("request.operation == \"CREATE\" || object.metadata.namespace != %q", s.Namespace), Message: "chaos",
			}},
		},
	}
	if _, err := api.ValidatingAdmissionPolicies().Create(ctx, policy, metav1.CreateOptions{}); err != nil {
		return err
	}
	_, err := api.ValidatingAdmissionPolicyBindings().Create(ctx, &admissionv1.ValidatingAdmissionPolicyBinding{
		ObjectMeta: metav1.ObjectMeta{Name: s.Namespace},
		Spec: admissionv1.ValidatingAdmissionPolicyBindingSpec{
			PolicyName: s.Namespace, ValidationActions: []admissionv1.ValidationAction{admissionv1.Deny},
		},
	}, metav1.CreateOptions{})
	return err
}

func allowUpdates(ctx context.Context, s *stage.Stage) error {
	api := s.Plane.Admin.AdmissionregistrationV1()
	return errors.Join(
		api.ValidatingAdmissionPolicyBindings().Delete(ctx, s.Namespace, metav1.DeleteOptions{}),
		api.ValidatingAdmissionPolicies().Delete(ctx, s.Namespace, metav1.DeleteOptions{}))
}
