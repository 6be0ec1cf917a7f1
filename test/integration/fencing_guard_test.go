// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"testing"

	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kube-elector/elector/elector"
	"github.com/kube-elector/elector/manager/fencing"
)

func TestGuardLetsOnlyHonestCandidatesWriteTheLease(t *testing.T) {
	o := newOperator(t, restConfig, namespace(t), 2)
	o.install(t, o.settings(fencing.Guard))
	a, b := o.pods[0], o.pods[1]
	const most = 1<<31 - 1
	for name, test := range map[string]struct {
		was, is                      string // "-" for no holder at all
		wereTransitions, transitions int32
		refused                      bool // for a
	}{
		"renew":                           {a.identity, a.identity, 3, 3, false},
		"claim again after a restart":     {a.identity, a.identity, 3, 4, false},
		"release":                         {a.identity, "", 3, 3, false},
		"release by nil":                  {a.identity, "-", 3, 3, false},
		"claim what was released":         {"", a.identity, 3, 4, false},
		"claim what never was held":       {"-", a.identity, 0, 1, false},
		"claim what has lapsed":           {b.identity, a.identity, 3, 4, false},
		"claim at the highest number":     {b.identity, a.identity, most, most, false},
		"touch what nobody holds":         {"", "", 3, 3, false},
		"claim for another":               {"", b.identity, 3, 4, true},
		"renew for another":               {b.identity, b.identity, 3, 3, true},
		"hand over to another":            {a.identity, b.identity, 3, 4, true},
		"release what another holds":      {b.identity, "", 3, 3, true}, // what client-go's release may do
		"release what another holds, nil": {b.identity, "-", 3, 3, true},
		"take over without raising":       {b.identity, a.identity, 3, 3, true},
		"claim without raising":           {"", a.identity, 3, 3, true},
		"lower while renewing":            {a.identity, a.identity, 3, 2, true},
		"lower while releasing":           {a.identity, "", 3, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			lease := o.lease()
			set := func(holder string, transitions int32) {
				lease.Spec = coordinationv1.LeaseSpec{LeaseDurationSeconds: ptr.To[int32](15), LeaseTransitions: &transitions}
				if holder != "-" {
					lease.Spec.HolderIdentity = &holder
				}
			}
			set(test.was, test.wereTransitions)
			o.mustCreate(t, lease)
			set(test.is, test.transitions)
			if err := a.Update(t.Context(), lease); fencing.IsRefused(err) != test.refused || !test.refused && err != nil {
				t.Errorf("%v, want it refused: %v", err, test.refused)
			}
			if err := o.admin.Delete(t.Context(), lease); err != nil {
				t.Fatal(err)
			}
		})
	}
	t.Run("create and delete", func(t *testing.T) {
		theirs := o.lease()
		theirs.Spec.HolderIdentity = &b.identity
		if err := a.Create(t.Context(), theirs); !fencing.IsRefused(err) {
			t.Errorf("creating it for another: %v, want it refused", err)
		}
		o.takeOver(t, b)
		if err := a.Delete(t.Context(), o.lease()); !fencing.IsRefused(err) {
			t.Errorf("deleting what another holds: %v, want it refused", err)
		}
		if err := a.DeleteAllOf(t.Context(), o.lease(), client.InNamespace(o.ns)); !fencing.IsRefused(err) {
			t.Errorf("deleting all: %v, want it refused", err)
		}
		if err := b.Delete(t.Context(), o.lease()); err != nil {
			t.Errorf("deleting one's own: %v", err)
		}
		other := o.lease()
		other.Name = "other"
		other.Spec.HolderIdentity = ptr.To("anyone")
		if err := a.Create(t.Context(), other); err != nil {
			t.Errorf("another Lease: %v", err)
		}
	})
}

func TestElectorsElectUnderTheGuard(t *testing.T) {
	o := newOperator(t, restConfig, namespace(t), 2)
	o.install(t, o.settings(fencing.Guard))
	start := func(p *pod) *candidate { return startCandidate(t, p.cfg, o.ns, p.identity, fast) }
	a := start(o.pods[0])
	first := a.leads()
	b := start(o.pods[1])
	if err := a.StepDown(t.Context()); err != nil {
		t.Errorf("StepDown: %v", err)
	}
	second := b.leads()
	b.cut.Store(true) // as if it had died
	third := a.leads()
	for _, pair := range [][2]elector.Term{{first, second}, {second, third}} {
		if order, err := pair[1].Token.Compare(pair[0].Token); err != nil || order <= 0 || pair[1].Transitions <= pair[0].Transitions {
			t.Errorf("the term after %+v is %+v", pair[0], pair[1])
		}
	}
}
