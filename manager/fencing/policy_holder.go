// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package fencing

import (
	"fmt"

	admissionv1 "k8s.io/api/admissionregistration/v1"
)

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
