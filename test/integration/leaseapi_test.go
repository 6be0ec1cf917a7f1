// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/kube-elector/elector/elector/leasetest/conformance"
)

// What leasetest promises is what a real API server does.
func TestTheRealServerConformsToTheLeaseAPI(t *testing.T) {
	for contentType, claims := range map[string][]conformance.Test{
		"":                      conformance.Tests(), // client-go's default
		runtime.ContentTypeJSON: slices.Concat(conformance.Tests(), conformance.JSON()),
	} {
		config := rest.CopyConfig(restConfig)
		config.ContentType = contentType
		config.QPS = -1 // the client's own limiter must not decide the races
		client, err := kubernetes.NewForConfig(config)
		if err != nil {
			t.Fatal(err)
		}
		for _, claim := range claims {
			t.Run(contentType+"/"+claim.Name, func(t *testing.T) {
				t.Parallel()
				claim.Run(t, client, namespace(t))
			})
		}
	}
}
