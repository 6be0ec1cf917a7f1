// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package fencing

import (
	admissionv1 "k8s.io/api/admissionregistration/v1"
)

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
