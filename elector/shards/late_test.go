// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package shards

import (
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kube-elector/elector/elector/leasetest"
)

// The API server wants to be left alone for longer than the usual pause.
func TestRetryAfterIsObeyed(t *testing.T) {
	for _, verb := range []string{"list", "watch", "create"} {
		inWorld(t, 1, func(w *world) {
			a := w.member("a")
			refusing := true
			busy := apierrors.NewGenericServerResponse(429, verb, schema.GroupResource{Resource: "leases"}, "", "busy", 20, false)
			var asked []time.Duration
			a.client.Intercept(func(op leasetest.Op) leasetest.Fault {
				if op.Verb != verb || verb == "create" && !isShard(op) || verb == "watch" && op.Name != "" || !refusing {
					return leasetest.Fault{}
				}
				asked = append(asked, time.Since(w.began))
				return leasetest.Fault{Err: busy}
			})
			a.start()
			w.pass(50 * time.Second)
			if len(asked) < 2 || len(asked) > 3 {
				t.Errorf("%s was asked at %v, want once in 20 s", verb, asked)
			}
		})
	}
}
