// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package fencing

import (
	"fmt"
	"strings"
)

// The keys under which the API server knows the pod that a token is bound to.
const (
	podName = "authentication.kubernetes.io/pod-name"
	podUID  = "authentication.kubernetes.io/pod-uid"
)

// callerExpression is the identity, as podIdentity makes it, of the pod that the request's token is bound to, or ”.
const callerExpression = "has(request.userInfo.extra) && '" + podName + "' in request.userInfo.extra && '" + podUID + "' in request.userInfo.extra ? " +
	"request.userInfo.extra['" + podName + "'][0] + '_' + request.userInfo.extra['" + podUID + "'][0] : ''"

// annotationToken returns an expression for the token in the object's annotation, or ”. Anything that is not a token
// counts as none, or garbage in the annotation would lock every leader out.
func annotationToken(object string, conditions ...func(string) string) string {
	m, key := object+".metadata.annotations", celString(TokenAnnotation)
	return tokenIf(fmt.Sprintf("has(%[1]s) && %[2]s in %[1]s", m, key), m+"["+key+"]", conditions)
}

// statusToken returns an expression for the token in a field of the object's status, or ”. The field may hold anything:
// an expression that fails is a refusal.
func statusToken(object, field string, conditions ...func(string) string) string {
	status := object + ".status"
	value := status + "." + field
	exists := fmt.Sprintf("has(%[1]s) && type(%[1]s) == map && has(%[2]s) && type(%[2]s) == string", status, value)
	return tokenIf(exists, value, conditions)
}

func tokenIf(exists, value string, conditions []func(string) string) string {
	all := exists + " && " + isToken(value)
	for _, condition := range conditions {
		all += " && " + condition(value)
	}
	return all + " ? " + value + " : ''"
}

// isToken returns an expression that is true for what can be a resourceVersion other than 0. The length comes first,
// since it bounds the cost of the rest.
func isToken(value string) string {
	return fmt.Sprintf("size(%[1]s) <= 20 && %[1]s.matches('^[1-9][0-9]*$')", value)
}

// notBelow compares tokens as numbers. ” is below all others.
func notBelow(token, other string) string {
	return fmt.Sprintf("(size(%[1]s) > size(%[2]s) || size(%[1]s) == size(%[2]s) && %[1]s >= %[2]s)", token, other)
}

// versionExpression is the resourceVersion that the write replaces, or ”.
const versionExpression = "has(oldObject.metadata.resourceVersion) ? oldObject.metadata.resourceVersion : ''"

// writtenHere returns an expression that is false for a token that no leader of this cluster can have written into the
// object. A leader's Lease was written before the leader wrote anything, so its token is below the resourceVersion of
// every object with the token in it. Versions that are not numbers prove nothing.
func writtenHere(token string) string {
	return "(!(" + isToken("variables.version") + ") || !" + notBelow(token, "variables.version") + ")"
}

// leaseField returns an expression for a field of a Lease's spec, where the Lease may be null.
func leaseField(object, field, otherwise string) string {
	return fmt.Sprintf("%[1]s != null && has(%[1]s.spec) && has(%[1]s.spec.%[2]s) ? %[1]s.spec.%[2]s : %[3]s", object, field, otherwise)
}

// celString returns s as a CEL literal. An exempt field manager may have any printable character in it.
func celString(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}
