// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package fencing

import (
	"testing"

	"go.uber.org/goleak"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/types"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// valid returns settings without a fault.
func valid() Settings {
	return Settings{
		Lease:          types.NamespacedName{Namespace: "system", Name: "lease.example.com"},
		ServiceAccount: types.NamespacedName{Namespace: "system", Name: "operator"},
		Resources: []admissionv1.Rule{{
			APIGroups: []string{"apps"}, APIVersions: []string{"v1"}, Resources: []string{"deployments", "deployments/status"},
		}},
	}
}
