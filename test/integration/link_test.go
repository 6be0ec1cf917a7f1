// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"net/url"
	"testing"

	"k8s.io/client-go/rest"

	"github.com/kube-elector/elector/test/harness"
)

// newLink opens a link to the API server, and returns a config that goes through it.
func newLink(t *testing.T) (*harness.Link, *rest.Config) {
	t.Helper()
	server, err := url.Parse(restConfig.Host)
	if err != nil {
		t.Fatal(err)
	}
	l, err := harness.NewLink(server.Host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	config := rest.CopyConfig(restConfig)
	config.Host = "https://" + l.Address
	return l, config
}
