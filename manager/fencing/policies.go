// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package fencing

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// KeeperName is the name of a policy and of a binding, which match nothing and
// are shared by all operators of a cluster. As long as both are there, the API
// server keeps watching Leases. If for one second no binding in the cluster has
// Leases as its parameter, it stops watching them until it is restarted, and
// Holder would go by what they said then (seen in 1.36). Uninstall leaves it.
const KeeperName = "keeper." + suffix

// HashAnnotation is on every object made here: it changes with what the object
// says.
const HashAnnotation = suffix + "/hash"

// Objects returns the ValidatingAdmissionPolicies and bindings of the settings,
// in the order in which they are to be created, or the error of Validate.
func Objects(s Settings) ([]client.Object, error) {
	if err := s.Validate(); err != nil {
		return nil, fmt.Errorf("fencing: invalid Settings:\n%w", err)
	}
	var objects []client.Object
	add := func(name string, spec admissionv1.ValidatingAdmissionPolicySpec, params *admissionv1.ParamRef) {
		objects = append(objects, policy(name, spec), binding(name, params))
	}
	if s.has(Holder) {
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
	if s.has(Epoch) {
		add(s.name(Epoch), s.epoch(), nil)
	}
	if s.has(Guard) {
		add(s.name(Guard), s.guard(), nil)
	}
	return objects, nil
}

func policy(name string, spec admissionv1.ValidatingAdmissionPolicySpec) client.Object {
	spec.FailurePolicy = ptr.To(admissionv1.Fail)
	return &admissionv1.ValidatingAdmissionPolicy{
		TypeMeta:   metav1.TypeMeta{APIVersion: admissionv1.SchemeGroupVersion.String(), Kind: "ValidatingAdmissionPolicy"},
		ObjectMeta: metadata(name, spec),
		Spec:       spec,
	}
}

// binding is that of the policy of the same name.
func binding(name string, params *admissionv1.ParamRef) client.Object {
	spec := admissionv1.ValidatingAdmissionPolicyBindingSpec{
		PolicyName: name, ParamRef: params, ValidationActions: []admissionv1.ValidationAction{admissionv1.Deny},
	}
	return &admissionv1.ValidatingAdmissionPolicyBinding{
		TypeMeta:   metav1.TypeMeta{APIVersion: admissionv1.SchemeGroupVersion.String(), Kind: "ValidatingAdmissionPolicyBinding"},
		ObjectMeta: metadata(name, spec),
		Spec:       spec,
	}
}

func metadata(name string, spec any) metav1.ObjectMeta {
	text, err := json.Marshal(spec)
	if err != nil {
		panic(err) // the types can be marshalled
	}
	sum := sha256.Sum256(text)
	return metav1.ObjectMeta{
		Name:        name,
		Labels:      map[string]string{"app.kubernetes.io/managed-by": suffix},
		Annotations: map[string]string{HashAnnotation: hex.EncodeToString(sum[:8])},
	}
}

var leaseKind = &admissionv1.ParamKind{APIVersion: "coordination.k8s.io/v1", Kind: "Lease"}

// keeper matches nothing, in two ways.
func keeper() admissionv1.ValidatingAdmissionPolicySpec {
	return admissionv1.ValidatingAdmissionPolicySpec{
		ParamKind: leaseKind,
		MatchConstraints: &admissionv1.MatchResources{ResourceRules: rules([]admissionv1.Rule{{
			APIGroups: []string{suffix}, APIVersions: []string{"v1"}, Resources: []string{"nothing"},
		}}, admissionv1.Create)},
		MatchConditions: []admissionv1.MatchCondition{{Name: "never", Expression: "false"}},
		Validations:     []admissionv1.Validation{{Expression: "true"}},
	}
}

func (s Settings) holder() admissionv1.ValidatingAdmissionPolicySpec {
	return admissionv1.ValidatingAdmissionPolicySpec{
		ParamKind: leaseKind,
		MatchConstraints: &admissionv1.MatchResources{
			NamespaceSelector: namespaces(s.Namespaces),
			ResourceRules:     rules(s.Resources, admissionv1.Create, admissionv1.Update, admissionv1.Delete),
		},
		MatchConditions: s.unlessExempt(s.conditions()),
		Variables: []admissionv1.Variable{
			{Name: "caller", Expression: callerExpression},
			{Name: "holder", Expression: "has(params.spec.holderIdentity) ? params.spec.holderIdentity : ''"},
		},
		Validations: []admissionv1.Validation{validate(
			"variables.caller != '' && variables.caller == variables.holder",
			celString(fmt.Sprintf("the Lease %s is held by '", s.Lease))+" + variables.holder + "+celString("', the writer is '")+" + variables.caller + \"'\"",
		)},
	}
}

func (s Settings) epoch() admissionv1.ValidatingAdmissionPolicySpec {
	spec := admissionv1.ValidatingAdmissionPolicySpec{
		MatchConstraints: &admissionv1.MatchResources{
			NamespaceSelector: namespaces(s.Namespaces),
			ResourceRules:     rules(s.Resources, admissionv1.Update),
		},
		MatchConditions: s.unlessExempt(s.conditions()),
		Variables: []admissionv1.Variable{
			{Name: "was", Expression: tokenExpression("oldObject.metadata.annotations", TokenAnnotation)},
			{Name: "is", Expression: tokenExpression("object.metadata.annotations", TokenAnnotation)},
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
		admissionv1.Variable{Name: "wasStatus", Expression: statusExpression("oldObject", s.StatusToken)},
		admissionv1.Variable{Name: "isStatus", Expression: statusExpression("object", s.StatusToken)},
	)
	// The object's annotation counts as well: thus one touch fences both.
	spec.Validations = append(spec.Validations, validate(
		"!has(request.subResource) || request.subResource != 'status' || "+
			notBelow("variables.isStatus", "variables.wasStatus")+" && "+notBelow("variables.isStatus", "variables.was"),
		"\"the object has the tokens '\" + variables.was + \"' and, in status, '\" + variables.wasStatus + \"', the write has '\" + variables.isStatus + \"'\"",
	))
	return spec
}

func (s Settings) guard() admissionv1.ValidatingAdmissionPolicySpec {
	return admissionv1.ValidatingAdmissionPolicySpec{
		MatchConstraints: &admissionv1.MatchResources{
			NamespaceSelector: namespaces([]string{s.Lease.Namespace}),
			ResourceRules: rules([]admissionv1.Rule{{
				APIGroups: []string{"coordination.k8s.io"}, APIVersions: []string{"*"}, Resources: []string{"leases"},
			}}, admissionv1.Create, admissionv1.Update, admissionv1.Delete),
		},
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
