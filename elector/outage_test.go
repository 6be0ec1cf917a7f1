// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"net"
	"syscall"
	"testing"
	"time"
)

// An API server that is away refuses connections, and nothing is gained by waiting long between two attempts.
func TestFormerLeaderLeadsWithinASecondAfterTheAPIServerIsBack(t *testing.T) {
	for _, away := range []time.Duration{15 * time.Second, 17 * time.Second, time.Minute, 10 * time.Minute} {
		inWorld(t, func(t *testing.T, w *world) {
			a := w.candidate("a").start()
			a.leads(time.Second)
			time.Sleep(10 * time.Second)
			a.client.Fail(&net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}, -1)
			a.client.CutWatches()
			time.Sleep(away / 2)
			w.server.ResetRequests()
			time.Sleep(away / 2)
			// Two a RetryPeriod, and a few to open the watch.
			if n, limit := w.server.Requests("a", ""), int(away/2/time.Second)*11/10+20; n > limit {
				t.Errorf("away for %v: %d requests in half of that, want %d", away, n, limit)
			}
			a.client.Fail(nil, 0)
			if took := a.leads(5 * time.Second); took > time.Second {
				t.Errorf("away for %v: leads %v after its return", away, took)
			}
			if term, ok := a.Term(); !ok || !term.Resumed {
				t.Errorf("away for %v: the term is not a continuation of the last", away)
			}
		})
	}
}
