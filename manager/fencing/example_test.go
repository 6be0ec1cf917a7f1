// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package fencing_test

import (
	"fmt"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kube-elector/elector/manager/fencing"
)

func ExampleObjects() {
	objects, err := fencing.Objects(fencing.Settings{
		Lease:          types.NamespacedName{Namespace: "system", Name: "operator"},
		ServiceAccount: types.NamespacedName{Namespace: "system", Name: "operator"},
		Resources: []admissionv1.Rule{{
			APIGroups: []string{"apps"}, APIVersions: []string{"v1"}, Resources: []string{"deployments"},
		}},
		// The certificates' rotator runs in every replica.
		Exempt: []string{"certificate-rotator"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, object := range objects {
		fmt.Println(object.GetObjectKind().GroupVersionKind().Kind, object.GetName())
	}
	// For kubectl: fencing.YAML(objects...). With a client: fencing.Install(ctx, c, objects...).

	// Output:
	// ValidatingAdmissionPolicy keeper.fencing.kube-elector.io
	// ValidatingAdmissionPolicyBinding keeper.fencing.kube-elector.io
	// ValidatingAdmissionPolicy holder.operator.system.fencing.kube-elector.io
	// ValidatingAdmissionPolicyBinding holder.operator.system.fencing.kube-elector.io
	// ValidatingAdmissionPolicy epoch.operator.system.fencing.kube-elector.io
	// ValidatingAdmissionPolicyBinding epoch.operator.system.fencing.kube-elector.io
	// ValidatingAdmissionPolicy guard.operator.system.fencing.kube-elector.io
	// ValidatingAdmissionPolicyBinding guard.operator.system.fencing.kube-elector.io
}
