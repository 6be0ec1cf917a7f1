// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package fencing

import (
	"fmt"
	"strings"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// KeeperName is the name of a policy and of a binding that match nothing. All operators of a cluster share them. While
// both exist, the API server keeps watching Leases. If no binding in the cluster has Leases as its parameter for one
// second, the API server stops watching them until it is restarted, and Holder believes what they said at that time
// (seen in 1.36). Uninstall leaves them in place.
const KeeperName = "keeper." + suffix

// Objects returns the ValidatingAdmissionPolicies and bindings of the settings, in the order in which to create them,
// or the error of [Settings.Validate].
func Objects(s Settings) ([]client.Object, error) {
	if err := s.Validate(); err != nil {
		return nil, fmt.Errorf("fencing: invalid Settings:\n%w", err)
	}
	var objects []client.Object
	add := func(name string, spec admissionv1.ValidatingAdmissionPolicySpec, params *admissionv1.ParamRef) {
		objects = append(objects, policy(name, spec), binding(name, params))
	}
	if s.Has(Holder) {
		add(KeeperName, keeper(), &admissionv1.ParamRef{
			Name: "none", Namespace: metav1.NamespaceDefault, ParameterNotFoundAction: ptr.To(admissionv1.AllowAction),
		})
		missing := admissionv1.AllowAction
		if s.DenyWithoutLease {
			missing = admissionv1.DenyAction
		}
		add(s.name(Holder), s.holder(), &admissionv1.ParamRef{
			Name: s.Lease.Name, Namespace: s.Lease.Namespace, ParameterNotFoundAction: &missing,
		})
	}
	if s.Has(Epoch) {
		add(s.name(Epoch), s.epoch(), nil)
	}
	if s.Has(Guard) {
		add(s.name(Guard), s.guard(), nil)
	}
	return objects, nil
}

func policy(name string, spec admissionv1.ValidatingAdmissionPolicySpec) client.Object {
	spec.FailurePolicy = ptr.To(admissionv1.Fail)
	return &admissionv1.ValidatingAdmissionPolicy{
		TypeMeta:   metav1.TypeMeta{APIVersion: admissionv1.SchemeGroupVersion.String(), Kind: "ValidatingAdmissionPolicy"},
		ObjectMeta: metadata(name),
		Spec:       spec,
	}
}

// binding returns the binding of the policy with the same name.
func binding(name string, params *admissionv1.ParamRef) client.Object {
	spec := admissionv1.ValidatingAdmissionPolicyBindingSpec{
		PolicyName: name, ParamRef: params, ValidationActions: []admissionv1.ValidationAction{admissionv1.Deny},
	}
	return &admissionv1.ValidatingAdmissionPolicyBinding{
		TypeMeta:   metav1.TypeMeta{APIVersion: admissionv1.SchemeGroupVersion.String(), Kind: "ValidatingAdmissionPolicyBinding"},
		ObjectMeta: metadata(name),
		Spec:       spec,
	}
}

func metadata(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: name, Labels: map[string]string{"app.kubernetes.io/managed-by": suffix}}
}

var leaseKind = &admissionv1.ParamKind{APIVersion: "coordination.k8s.io/v1", Kind: "Lease"}

// keeper returns a policy that matches nothing, for two reasons.
func keeper() admissionv1.ValidatingAdmissionPolicySpec {
	return admissionv1.ValidatingAdmissionPolicySpec{
		ParamKind: leaseKind,
		MatchConstraints: match(nil, []admissionv1.Rule{{
			APIGroups: []string{suffix}, APIVersions: []string{"v1"}, Resources: []string{"nothing"},
		}}, admissionv1.Create),
		MatchConditions: []admissionv1.MatchCondition{{Name: "never", Expression: "false"}},
		Validations:     []admissionv1.Validation{{Expression: "true"}},
	}
}

// conditions returns what a request must meet for any policy to look at it.
func (s Settings) conditions() []admissionv1.MatchCondition {
	return []admissionv1.MatchCondition{{
		Name: "operator", Expression: "request.userInfo.username == " + celString(s.username()),
	}}
}

func (s Settings) unlessExempt(conditions []admissionv1.MatchCondition) []admissionv1.MatchCondition {
	if len(s.Exempt) == 0 {
		return conditions
	}
	var managers []string
	for _, name := range s.Exempt {
		managers = append(managers, celString(name))
	}
	return append(conditions, admissionv1.MatchCondition{
		Name: "not-exempt",
		Expression: "!(has(request.options) && has(request.options.fieldManager) && request.options.fieldManager in [" +
			strings.Join(managers, ", ") + "])",
	})
}

// match returns what the policy looks at, with nothing left to the API server's defaults: Installed compares it.
func match(namespaces []string, resources []admissionv1.Rule, operations ...admissionv1.OperationType) *admissionv1.MatchResources {
	m := &admissionv1.MatchResources{
		NamespaceSelector: &metav1.LabelSelector{},
		ObjectSelector:    &metav1.LabelSelector{},
		MatchPolicy:       ptr.To(admissionv1.Equivalent),
	}
	if len(namespaces) > 0 {
		m.NamespaceSelector.MatchExpressions = []metav1.LabelSelectorRequirement{{
			Key: corev1.LabelMetadataName, Operator: metav1.LabelSelectorOpIn, Values: namespaces,
		}}
	}
	for _, rule := range resources {
		if rule.Scope == nil {
			rule.Scope = ptr.To(admissionv1.AllScopes)
		}
		m.ResourceRules = append(m.ResourceRules, admissionv1.NamedRuleWithOperations{
			RuleWithOperations: admissionv1.RuleWithOperations{Operations: operations, Rule: rule},
		})
	}
	return m
}

func validate(expression, message string) admissionv1.Validation {
	return admissionv1.Validation{Expression: expression, MessageExpression: message, Reason: ptr.To(metav1.StatusReasonForbidden)}
}
