// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package leasetest_test

import (
	"slices"
	"testing"
	"testing/synctest"

	"github.com/kube-elector/elector/elector/leasetest"
	"github.com/kube-elector/elector/elector/leasetest/conformance"
)

// The same claims are tested on a real kube-apiserver in test/integration.
func TestTheServerConformsToTheLeaseAPI(t *testing.T) {
	for _, claim := range slices.Concat(conformance.Tests(), conformance.JSON()) {
		t.Run(claim.Name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				claim.Run(t, leasetest.NewServer().Client("someone"), "default")
			})
		})
	}
}
