// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"testing"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/kube-elector/elector/elector"
	"github.com/kube-elector/elector/examples/operator/api/v1alpha1"
)

func newWitness() *witness {
	return &witness{board: newBoard([]string{"a", "b"}), flashes: map[string]int64{}, tokens: map[string]elector.Token{}}
}

func flashed(name, token string, flashes int64) *v1alpha1.Beacon {
	return &v1alpha1.Beacon{ObjectMeta: metav1.ObjectMeta{Name: name}, Status: v1alpha1.BeaconStatus{Token: token, Flashes: flashes}}
}

func TestWitnessFindsTheFlashOfALeaderOfThePast(t *testing.T) {
	w := newWitness()
	for _, beacon := range []*v1alpha1.Beacon{
		flashed("x", "", 0), flashed("x", "99", 1), flashed("x", "99", 2), flashed("x", "100", 3), flashed("y", "99", 1),
	} {
		w.seeBeacon(beacon)
	}
	if flashes, stale := w.verdict(); flashes != 4 || len(stale) != 0 {
		t.Errorf("there were %d flashes and %v, want 4 and nothing", flashes, stale)
	}
	w.seeBeacon(flashed("x", "99", 4))
	if flashes, stale := w.verdict(); flashes != 5 || len(stale) != 1 {
		t.Errorf("there were %d flashes and %v, want 5 and one of a former leader", flashes, stale)
	}
}

func TestWitnessNotesTheRenewalsOfWhoHoldsTheLease(t *testing.T) {
	w := newWitness()
	renewal := metav1.NewMicroTime(at(5))
	for _, spec := range []coordinationv1.LeaseSpec{
		{},
		{HolderIdentity: ptr.To(""), RenewTime: &renewal},
		{HolderIdentity: ptr.To("somebody"), RenewTime: &renewal},
		{HolderIdentity: ptr.To("a_1")},
		{HolderIdentity: ptr.To("b_1"), RenewTime: &renewal},
	} {
		w.seeLease(&coordinationv1.Lease{Spec: spec})
	}
	history := w.board.events()
	if len(history) != 1 || history[0] != (event{At: at(5), Replica: "b", Kind: renewed}) {
		t.Errorf("noted %+v, want b's renewal", history)
	}
}
