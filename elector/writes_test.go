// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"errors"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/kube-elector/elector/elector/internal/lease"
	"github.com/kube-elector/elector/elector/leasetest"
)

func TestALeaderKnowsItsRecordHoweverManyRenewalsOfItHaveFailed(t *testing.T) {
	const written = 16 // writes that a process remembers
	inWorld(t, func(t *testing.T, w *world) {
		a := w.candidate("a", func(c *Config) {
			c.LeaseDuration, c.RenewDeadline, c.RetryPeriod = time.Minute, 50*time.Second, time.Second
		}).start()
		a.leads(time.Second)
		time.Sleep(10 * time.Second)
		a.client.Intercept(func(op leasetest.Op) (f leasetest.Fault) {
			if op.Verb == "update" {
				f.Err = apierrors.NewInternalError(errors.New("etcdserver: request timed out"))
			}
			return f
		})
		w.server.ResetRequests()
		time.Sleep(45 * time.Second)
		if n := w.server.Requests("a", "update"); n <= written {
			t.Fatalf("%d renewals have failed, want more than %d", n, written)
		}
		a.client.CutWatches() // and what follows is read
		time.Sleep(2 * time.Second)
		if !a.IsLeader() {
			t.Fatalf("lost the term though nobody has written but it\n%s", w.log)
		}
		if err := a.StepDown(t.Context()); !errors.Is(err, ErrNotReleased) || lease.Holder(w.lease()) != "a" {
			t.Errorf("StepDown returned %v, and the Lease is held by %q", err, lease.Holder(w.lease()))
		}
	})
}
