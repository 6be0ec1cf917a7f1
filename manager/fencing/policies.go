// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package fencing

import (
	"fmt"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// KeeperName is the name of a policy and of a binding that match nothing. All operators of a cluster
// share them. While both exist, the API server keeps watching Leases. If no binding in the cluster has
// Leases as its parameter for one second, the API server stops watching them until it is restarted,
// and Holder believes what they said at that time (seen in 1.36). Uninstall leaves them in place.
const KeeperName = "keeper." + suffix

// Objects returns the ValidatingAdmissionPolicies and bindings of the settings, in the order in which
// to create them, or the error of [Settings.Validate].
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

func (s Settings) holder() admissionv1.ValidatingAdmissionPolicySpec {
	return admissionv1.ValidatingAdmissionPolicySpec{
		ParamKind:        leaseKind,
		MatchConstraints: match(s.Namespaces, s.Resources, admissionv1.Create, admissionv1.Update, admissionv1.Delete),
		MatchConditions:  s.unlessExempt(s.conditions()),
		Variables: []admissionv1.Variable{
			{Name: "caller", Expression: callerExpression},
			{Name: "holder", Expression: leaseField("params", "holderIdentity", "''")},
		},
		Validations: []admissionv1.Validation{validate(
			"variables.caller != '' && variables.caller == variables.holder",
			celString(fmt.Sprintf("the Lease %s is held by '", s.Lease))+" + variables.holder + "+celString("', the writer is '")+" + variables.caller + \"'\"",
		)},
	}
}

func (s Settings) epoch() admissionv1.ValidatingAdmissionPolicySpec {
	spec := admissionv1.ValidatingAdmissionPolicySpec{
		MatchConstraints: match(s.Namespaces, s.Resources, admissionv1.Update),
		MatchConditions:  s.unlessExempt(s.conditions()),
		Variables: []admissionv1.Variable{
			{Name: "version", Expression: versionExpression},
			{Name: "was", Expression: annotationToken("oldObject", writtenHere)},
			{Name: "is", Expression: annotationToken("object")},
		},
		Validations: []admissionv1.Validation{validate(
			notBelow("variables.is", "variables.was"),
			"\"the object has the token '\" + variables.was + \"', the write has '\" + variables.is + \"'\"",
		)},
	}
	if s.StatusToken == "" {
		return spec
	}
	spec.Variables = append(spec.Variables,
		admissionv1.Variable{Name: "wasStatus", Expression: statusToken("oldObject", s.StatusToken, writtenHere)},
		admissionv1.Variable{Name: "isStatus", Expression: statusToken("object", s.StatusToken)},
	)
	// The object's annotation counts as well, so one touch fences both. Types whose status has no such
	// field, as built-in ones, have only the annotation.
	spec.Validations = append(spec.Validations, validate(
		"!has(request.subResource) || request.subResource != 'status' || "+
			"variables.isStatus == '' && variables.wasStatus == '' || "+
			notBelow("variables.isStatus", "variables.wasStatus")+" && "+notBelow("variables.isStatus", "variables.was"),
		"\"the object has the tokens '\" + variables.was + \"' and, in status, '\" + variables.wasStatus + \"', the write has '\" + variables.isStatus + \"'\"",
	))
	return spec
}

func (s Settings) guard() admissionv1.ValidatingAdmissionPolicySpec {
	return admissionv1.ValidatingAdmissionPolicySpec{
		MatchConstraints: match([]string{s.Lease.Namespace}, []admissionv1.Rule{{
			APIGroups: []string{"coordination.k8s.io"}, APIVersions: []string{"*"}, Resources: []string{"leases"},
		}}, admissionv1.Create, admissionv1.Update, admissionv1.Delete),
		// By condition, as the rules' resourceNames miss a deletion of all.
		MatchConditions: append(s.conditions(), admissionv1.MatchCondition{
			Name: "lease", Expression: "(request.operation == 'DELETE' ? oldObject : object).metadata.name == " + celString(s.Lease.Name),
		}),
		Variables: []admissionv1.Variable{
			{Name: "caller", Expression: callerExpression},
			{Name: "was", Expression: leaseField("oldObject", "holderIdentity", "''")},
			{Name: "is", Expression: leaseField("object", "holderIdentity", "''")},
			{Name: "transitionsWere", Expression: leaseField("oldObject", "leaseTransitions", "0")},
			{Name: "transitions", Expression: leaseField("object", "leaseTransitions", "0")},
		},
		Validations: []admissionv1.Validation{
			validate("variables.is == '' || variables.is == variables.caller",
				"\"'\" + variables.caller + \"' must not make '\" + variables.is + \"' the holder\""),
			validate("variables.is != '' || variables.was == '' || variables.was == variables.caller",
				"\"'\" + variables.caller + \"' must not release what '\" + variables.was + \"' holds\""),
			validate("object == null || oldObject == null || variables.transitions >= variables.transitionsWere",
				"'leaseTransitions must not fall'"),
			// 2147483647 is as high as they can be.
			validate("object == null || oldObject == null || variables.is == '' || variables.is == variables.was || "+
				"variables.transitions > variables.transitionsWere || variables.transitionsWere == 2147483647",
				"'a takeover must raise leaseTransitions'"),
		},
	}
}
