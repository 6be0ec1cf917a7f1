// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"testing"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/kube-elector/elector/elector/leasetest/conformance"
)

// What leasetest promises is what a real API server does.
func TestTheRealServerConformsToTheLeaseAPI(t *testing.T) {
	config := rest.CopyConfig(restConfig)
	config.QPS = -1 // the races are not to be decided by the client's own limiter
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	for _, claim := range conformance.Tests() {
		t.Run(claim.Name, func(t *testing.T) {
			t.Parallel()
			claim.Run(t, client, namespace(t))
		})
	}
}
