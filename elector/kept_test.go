// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"context"
	"net/http"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestKeptConnectionsAreClosedByTheLastUser(t *testing.T) {
	s := serve(t, func(http.ResponseWriter, *http.Request) bool { return false })
	cfg := s.config()
	open := countConnections(cfg)
	leases := newClientset(t, cfg).CoordinationV1().Leases("ns")
	var done [2]func()
	for i := range done {
		var ctx context.Context
		ctx, done[i] = KeepConnections(t.Context())
		_, _ = leases.Get(ctx, "lease", metav1.GetOptions{})
	}
	done[0]()
	if open.Load() == 0 {
		t.Error("the first to be done has closed the connections of the other")
	}
	done[1]()
	if n := open.Load(); n != 0 {
		t.Errorf("%d connections are open after the last", n)
	}
}
