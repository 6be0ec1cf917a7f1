// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	applycoordinationv1 "k8s.io/client-go/applyconfigurations/coordination/v1"
	"k8s.io/client-go/kubernetes"
)

// The Elector's updates come without managedFields. What others own must stay theirs.
func TestAnUpdateLeavesOwnedFieldsAsTheyWere(t *testing.T) {
	ns := namespace(t)
	startCandidate(t, restConfig, ns, "a", fast).leads()
	label := applycoordinationv1.Lease("lease", ns).WithLabels(map[string]string{"owned": "by-hand"})
	leasesOf := kubernetes.NewForConfigOrDie(restConfig).CoordinationV1().Leases(ns)
	if _, err := leasesOf.Apply(t.Context(), label, metav1.ApplyOptions{FieldManager: "hand"}); err != nil {
		t.Fatal(err)
	}
	applied := leases(ns).Spec.RenewTime.Time
	renewals := map[time.Time]bool{}
	eventually(t, "three renewals", func() bool {
		if renewed := leases(ns).Spec.RenewTime.Time; renewed.After(applied) {
			renewals[renewed] = true
		}
		return len(renewals) == 3
	})
	lease := leases(ns)
	owns := func(f metav1.ManagedFieldsEntry) bool {
		return f.Manager == "hand" && strings.Contains(f.FieldsV1.String(), "f:owned")
	}
	if lease.Labels["owned"] != "by-hand" || !slices.ContainsFunc(lease.ManagedFields, owns) {
		t.Errorf("labels %v, managed fields %v", lease.Labels, lease.ManagedFields)
	}
}
