// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/kube-elector/elector/elector/leasetest"
)

func TestTheCollectorIsTheSameBeforeInAndAfterATerm(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.candidate("a")
		registries := map[string]interface {
			prometheus.Registerer
			prometheus.Gatherer
		}{"plain": prometheus.NewRegistry(), "pedantic": prometheus.NewPedanticRegistry()}
		again := func(when string) {
			t.Helper()
			for name, r := range registries {
				if _, err := r.Gather(); err != nil {
					t.Errorf("%s, %s: %v", name, when, err)
				}
				if !r.Unregister(a.Collector()) {
					t.Errorf("%s, %s: cannot be unregistered", name, when)
				}
				if err := r.Register(a.Collector()); err != nil {
					t.Errorf("%s, %s: cannot be registered again: %v", name, when, err)
				}
			}
		}
		for _, r := range registries {
			r.MustRegister(a.Collector())
		}
		again("before Start")
		a.start().leads(time.Second)
		again("leading")
		a.client.Partition()
		time.Sleep(time.Minute)
		again("after the term")
		a.stop()
		synctest.Wait()
		again("after Start")
	})
}

func TestFailuresCanBeAlertedOn(t *testing.T) {
	const renewals, claims, contact, cannot = "elector_renew_failures_total", "elector_claim_failures_total",
		"elector_last_contact_age_seconds", "elector_cannot_lead"
	inWorld(t, func(t *testing.T, w *world) {
		a := w.candidate("a").start()
		a.leads(time.Second)
		b := w.candidate("b").start()
		time.Sleep(time.Minute)
		for _, c := range []*candidate{a, b} {
			if m := c.gather(t); m[renewals] != 0 || m[claims] != 0 || m[cannot] != 0 || m[contact] > 2 {
				t.Errorf("%s, in a healthy minute: %v", c.id, m)
			}
		}
		a.client.Fail(errRefused, 1)
		time.Sleep(5 * time.Second)
		if n := a.gather(t)[renewals]; n != 1 {
			t.Errorf("%v renewals failed, want 1", n)
		}
		b.client.Intercept(func(op leasetest.Op) (f leasetest.Fault) {
			if op.Lease != nil {
				f.Err = errForbidden
			}
			return f
		})
		a.client.Partition()
		time.Sleep(5 * time.Minute)
		if m := a.gather(t); m[contact] < 290 || m[cannot] != 1 || m[renewals] < 2 {
			t.Errorf("a, partitioned for 5 minutes: %v", m)
		}
		if m := b.gather(t); m[contact] > 90 || m[cannot] != 1 || m[claims] < 2 {
			t.Errorf("b, which may not claim for 5 minutes: %v", m)
		}
		a.client.Heal()
		a.client.CutWatches()
		b.client.Heal()
		time.Sleep(3 * time.Minute)
		for _, c := range []*candidate{a, b} {
			if m := c.gather(t); c.IsLeader() && m[cannot] != 0 || m[contact] > 10 {
				t.Errorf("%s, after it: %v", c.id, m)
			}
		}
	})
}
