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
)

// What the API server knows of a request with a token that is bound to a pod.
const (
	podName = "authentication.kubernetes.io/pod-name"
	podUID  = "authentication.kubernetes.io/pod-uid"
)

// callerExpression is the identity, as podIdentity makes it, of the pod whose
// token the request has, or ”.
const callerExpression = "has(request.userInfo.extra) && '" + podName + "' in request.userInfo.extra && '" + podUID + "' in request.userInfo.extra ? " +
	"request.userInfo.extra['" + podName + "'][0] + '_' + request.userInfo.extra['" + podUID + "'][0] : ''"

// tokenExpression is the token under key in a map that may not be there. What
// is no token counts as none: else rubbish would keep everyone out.
func tokenExpression(m, key string) string {
	return fmt.Sprintf("has(%[1]s) && %[2]s in %[1]s && %[3]s ? %[1]s[%[2]s] : ''", m, celString(key), isToken(m+"["+celString(key)+"]"))
}

// statusExpression is the token in a field of the object's status.
func statusExpression(object, field string) string {
	value := object + ".status." + field
	return fmt.Sprintf("has(%s.status) && has(%s) && %s ? %s : ''", object, value, isToken(value), value)
}

// isToken is whether it is a resourceVersion other than 0.
func isToken(value string) string { return value + ".matches('^[1-9][0-9]*$')" }

// notBelow compares tokens of any length. None is below all.
func notBelow(token, other string) string {
	return fmt.Sprintf("(size(%[1]s) > size(%[2]s) || size(%[1]s) == size(%[2]s) && %[1]s >= %[2]s)", token, other)
}

// leaseField is a field of a Lease's spec, where the Lease may be null.
func leaseField(object, field, otherwise string) string {
	return fmt.Sprintf("%[1]s != null && has(%[1]s.spec) && has(%[1]s.spec.%[2]s) ? %[1]s.spec.%[2]s : %[3]s", object, field, otherwise)
}

// celString is s as a CEL literal. All that gets here has been validated, but
// an exempt field manager may have any printable character in it.
func celString(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

func validate(expression, message string) admissionv1.Validation {
	return admissionv1.Validation{Expression: expression, MessageExpression: message, Reason: ptr.To(metav1.StatusReasonForbidden)}
}

// conditions are what a request must meet for any policy to look at it.
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

// namespaces selects objects in these, or in all.
func namespaces(names []string) *metav1.LabelSelector {
	if len(names) == 0 {
		return nil
	}
	return &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{
		Key: corev1.LabelMetadataName, Operator: metav1.LabelSelectorOpIn, Values: names,
	}}}
}

func rules(resources []admissionv1.Rule, operations ...admissionv1.OperationType) []admissionv1.NamedRuleWithOperations {
	var named []admissionv1.NamedRuleWithOperations
	for _, rule := range resources {
		named = append(named, admissionv1.NamedRuleWithOperations{
			RuleWithOperations: admissionv1.RuleWithOperations{Operations: operations, Rule: rule},
		})
	}
	return named
}
