// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"errors"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/kube-elector/elector/manager/fencing"
)

func TestFencingThatCannotWorkIsRefusedByNew(t *testing.T) {
	options := ctrl.Options{
		LeaderElection: true, LeaderElectionID: "l", LeaderElectionNamespace: "n",
		Metrics: metricsserver.Options{BindAddress: "0"}, HealthProbeBindAddress: "0",
	}
	valid := fencing.Settings{
		ServiceAccount: types.NamespacedName{Namespace: "n", Name: "operator"},
		Resources:      []admissionv1.Rule{{APIGroups: []string{"apps"}, APIVersions: []string{"v1"}, Resources: []string{"deployments"}}},
	}
	otherLease, noResources := valid, valid
	otherLease.Lease = types.NamespacedName{Namespace: "n", Name: "other"}
	noResources.Resources = nil
	for name, test := range map[string]struct {
		settings fencing.Settings
		uid      string
		want     string // "" for none
	}{
		"all fits":      {valid, "u", ""},
		"no pod's UID":  {valid, "", `POD_UID: ""`},
		"another Lease": {otherLease, "u", `Lease: "n/other": must be the one contended for, "n/l"`},
		"no resources":  {noResources, "u", "Resources: []"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("POD_NAME", "p")
			t.Setenv("POD_UID", test.uid)
			m, err := New(&rest.Config{Host: "http://127.0.0.1:1"}, options, WithFencing(test.settings))
			switch {
			case test.want == "" && err != nil:
				t.Fatal(err)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
				t.Errorf("%v, want %s", err, test.want)
			case name == "no pod's UID" && !errors.Is(err, fencing.ErrMismatch):
				t.Errorf("%v, want ErrMismatch", err)
			case err == nil && m.config.Identity != "p_u":
				t.Errorf("the Identity is %q, want p_u", m.config.Identity)
			case err == nil && m.fencer.settings.Lease != (types.NamespacedName{Namespace: "n", Name: "l"}):
				t.Errorf("the Lease is %q", m.fencer.settings.Lease)
			}
		})
	}
	options.LeaderElection = false
	if _, err := New(&rest.Config{Host: "http://127.0.0.1:1"}, options, WithFencing(noResources)); err != nil {
		t.Errorf("without LeaderElection: %v", err)
	}
}
