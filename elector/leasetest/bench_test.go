// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package leasetest_test

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kube-elector/elector/elector/leasetest"
)

// A simulated cluster-year is some ten million of these.

func BenchmarkGet(b *testing.B) {
	server := leasetest.NewServer()
	server.Put(held("nobody"))
	leases := server.Client("replica").CoordinationV1().Leases("ns")
	for b.Loop() {
		if _, err := leases.Get(b.Context(), "a", metav1.GetOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkUpdate(b *testing.B) {
	server := leasetest.NewServer()
	lease := server.Put(held("nobody"))
	leases := server.Client("replica").CoordinationV1().Leases("ns")
	for b.Loop() {
		now := metav1.NowMicro()
		lease.Spec.RenewTime = &now
		var err error
		if lease, err = leases.Update(b.Context(), lease, metav1.UpdateOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkUpdateSeenByAWatch(b *testing.B) {
	server := leasetest.NewServer()
	lease := server.Put(held("nobody"))
	leases := server.Client("replica").CoordinationV1().Leases("ns")
	w, err := server.Client("standby").CoordinationV1().Leases("ns").Watch(b.Context(),
		metav1.ListOptions{FieldSelector: "metadata.name=a", ResourceVersion: lease.ResourceVersion})
	if err != nil {
		b.Fatal(err)
	}
	defer w.Stop()
	for b.Loop() {
		now := metav1.NowMicro()
		lease.Spec.RenewTime = &now
		if lease, err = leases.Update(b.Context(), lease, metav1.UpdateOptions{}); err != nil {
			b.Fatal(err)
		}
		<-w.ResultChan()
	}
}
