// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

// Package config has the operator's manifests, for the programs and tests that apply or check them.
package config

import (
	"embed"
	"fmt"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"
)

// LeaseName is the name of the operator's Lease. rbac/leader_election_role.yaml allows no other.
const LeaseName = "beacon-operator.demo.kube-elector.io"

// LeaderService is the Service of --leader-service. rbac/leader_election_role.yaml allows no other.
const LeaderService = "beacon-operator-leader"

// Files is this directory.
//
//go:embed crd rbac manager prometheus grafana fencing shards default samples
var Files embed.FS

// CRD is the CustomResourceDefinition of Beacons.
func CRD() (*apiextensionsv1.CustomResourceDefinition, error) {
	const name = "crd/bases/demo.kube-elector.io_beacons.yaml"
	text, err := Files.ReadFile(name)
	if err != nil {
		return nil, err
	}
	crd := &apiextensionsv1.CustomResourceDefinition{}
	if err := yaml.UnmarshalStrict(text, crd); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return crd, nil
}
