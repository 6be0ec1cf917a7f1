// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"io"
	"os"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kube-elector/elector/examples/operator/api/v1alpha1"
	"github.com/kube-elector/elector/manager/fencing"
)

// fencingSettings guard the Beacons. The reconciler writes nothing but their status, and the token into it.
func fencingSettings(o options) fencing.Settings {
	s := fencing.Settings{
		Lease:          types.NamespacedName{Namespace: o.election.LeaseNamespace, Name: o.election.LeaseName},
		ServiceAccount: types.NamespacedName{Namespace: os.Getenv("POD_NAMESPACE"), Name: os.Getenv("POD_SERVICE_ACCOUNT")},
		Resources: []admissionv1.Rule{{
			APIGroups:   []string{v1alpha1.GroupVersion.Group},
			APIVersions: []string{"*"},
			Resources:   []string{"beacons", "beacons/status"},
		}},
		StatusToken: "token",
	}
	if o.shards > 0 {
		s.Policies = []fencing.Policy{fencing.Epoch} // the others know the holder of one Lease
	}
	if o.namespace != "" {
		s.Namespaces = []string{o.namespace}
	}
	return s
}

// fencingManifests are the policies, and the keeper, which is to stay when they are deleted.
func fencingManifests(s fencing.Settings) (keeper, policies string, err error) {
	objects, err := fencing.Objects(s)
	if err != nil {
		return "", "", err
	}
	for _, object := range objects {
		text, err := fencing.YAML(object)
		if err != nil {
			return "", "", err
		}
		if object.GetName() == fencing.KeeperName {
			keeper += text
		} else {
			policies += text
		}
	}
	return keeper, policies, nil
}

func printFencing(out io.Writer, o options) error {
	keeper, policies, err := fencingManifests(fencingSettings(o))
	if err != nil {
		return err
	}
	_, err = io.WriteString(out, keeper+policies)
	return err
}
