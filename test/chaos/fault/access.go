// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
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

const mutatingPolicies, mutatingBindings = "mutatingadmissionpolicies", "mutatingadmissionpolicybindings"

// stripAnnotations makes admission remove all annotations from every Lease written in the stage's namespace. It returns
// when the policy is in effect.
func stripAnnotations(ctx context.Context, s *stage.Stage) error {
	if err := createPolicy(ctx, s, mutatingPolicies, map[string]any{
		"failurePolicy": admissionv1.Fail, "reinvocationPolicy": admissionv1.NeverReinvocationPolicy,
		"matchConstraints": writesOfLeases,
		"matchConditions": []admissionv1.MatchCondition{
			{Name: "here", Expression: fmt.Sprintf("object.metadata.namespace == %q && has(object.metadata.annotations)", s.Namespace)},
		},
		"mutations": []any{map[string]any{
			"patchType": "JSONPatch",
			"jsonPatch": map[string]any{"expression": `[JSONPatch{op: "remove", path: "/metadata/annotations"}]`},
		}},
	}); err != nil {
		return err
	}
	if err := createPolicy(ctx, s, mutatingBindings, map[string]any{"policyName": s.Namespace}); err != nil {
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

// createPolicy creates an object of admissionregistration.k8s.io/v1 of which client-go has no type before 0.36.
func createPolicy(ctx context.Context, s *stage.Stage, resource string, spec map[string]any) error {
	body, err := json.Marshal(map[string]any{"metadata": metav1.ObjectMeta{Name: s.Namespace}, "spec": spec})
	if err != nil {
		return err
	}
	return s.Plane.Admin.AdmissionregistrationV1().RESTClient().Post().Resource(resource).
		SetHeader("Content-Type", runtime.ContentTypeJSON).Body(body).Do(ctx).Error()
}

func keepAnnotations(ctx context.Context, s *stage.Stage) error {
	var errs []error
	for _, resource := range []string{mutatingBindings, mutatingPolicies} {
		errs = append(errs, s.Plane.Admin.AdmissionregistrationV1().RESTClient().Delete().Resource(resource).Name(s.Namespace).Do(ctx).Error())
	}
	return errors.Join(errs...)
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
