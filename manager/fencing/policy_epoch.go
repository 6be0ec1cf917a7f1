// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package fencing

import (
	admissionv1 "k8s.io/api/admissionregistration/v1"
)

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
	// The object's annotation counts as well, so one touch fences both. Types whose status has no such field, as built-in
	// ones, have only the annotation.
	spec.Validations = append(spec.Validations, validate(
		"!has(request.subResource) || request.subResource != 'status' || "+
			"variables.isStatus == '' && variables.wasStatus == '' || "+
			notBelow("variables.isStatus", "variables.wasStatus")+" && "+notBelow("variables.isStatus", "variables.was"),
		"\"the object has the tokens '\" + variables.was + \"' and, in status, '\" + variables.wasStatus + \"', the write has '\" + variables.isStatus + \"'\"",
	))
	return spec
}
