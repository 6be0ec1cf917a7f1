// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"errors"
	"fmt"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/kube-elector/elector/elector/leasetest"
)

// durations sets LeaseDuration, RenewDeadline and RetryPeriod.
func durations(lease, renew, retry time.Duration) func(*Config) {
	return func(c *Config) { c.LeaseDuration, c.RenewDeadline, c.RetryPeriod = lease, renew, retry }
}

func TestOneLostRenewalDoesNotCostTheTerm(t *testing.T) {
	const s, ms = time.Second, time.Millisecond
	for _, d := range [][3]time.Duration{
		{15 * s, 10 * s, 2 * s}, {15 * s, 10 * s, 4 * s}, {15 * s, 10 * s, 5 * s}, {15 * s, 10 * s, 8 * s}, {15 * s, 10 * s, 8300 * ms},
		{30 * s, 20 * s, 10 * s}, {60 * s, 40 * s, 25 * s}, {137 * s, 107 * s, 26 * s}, {s, 900 * ms, 700 * ms}, {600 * s, 599 * s, 499 * s},
	} {
		for name, fault := range map[string]leasetest.Fault{
			"hangs":      {Hang: true},
			"no reply":   {LoseReply: true},
			"500":        {Err: apierrors.NewInternalError(errors.New("no"))},
			"429":        {Err: apierrors.NewTooManyRequests("later", 10)},
			"409":        {Err: apierrors.NewConflict(coordinationv1.Resource("leases"), testLease, errors.New("no"))},
			"connection": {Err: syscall.ECONNRESET},
		} {
			for _, watch := range []bool{true, false} {
				t.Run(fmt.Sprintf("%v/%s/watch %t", d, name, watch), func(t *testing.T) {
					inWorld(t, func(t *testing.T, w *world) {
						a := w.candidate("a", durations(d[0], d[1], d[2]))
						var armed atomic.Bool
						a.client.Intercept(func(op leasetest.Op) leasetest.Fault {
							switch {
							case op.Verb == "watch" && !watch:
								return leasetest.Fault{Err: apierrors.NewForbidden(coordinationv1.Resource("leases"), testLease, nil)}
							case op.Verb == "update" && armed.CompareAndSwap(true, false):
								return fault
							}
							return leasetest.Fault{}
						})
						a.client.Latency(2*ms, 2*ms)
						a.start().leads(s)
						for range 5 {
							time.Sleep(3 * d[2])
							armed.Store(true)
						}
						time.Sleep(3 * d[2])
						if n := w.log.count("a stopped"); n > 0 || armed.Load() {
							t.Errorf("it cost the leadership: %t", n > 0)
						}
					})
				})
			}
		}
	}
}

// A renewal that is never answered must not be sent ever more often as the deadline comes near.
func TestRenewalsThatFailAreAFewRequests(t *testing.T) {
	for name, fault := range lastingFaults {
		for _, retry := range []time.Duration{time.Second, 2 * time.Second, 8 * time.Second} {
			t.Run(fmt.Sprintf("%s/%v", name, retry), func(t *testing.T) {
				inWorld(t, func(t *testing.T, w *world) {
					a := w.candidate("a", durations(15*time.Second, 10*time.Second, retry)).start()
					a.leads(time.Second)
					time.Sleep(time.Minute)
					a.client.Intercept(faultOn{"write", fault}.intercept)
					w.server.ResetRequests()
					w.until(11*time.Second, "the term ends", func() bool { return !a.IsLeader() })
					if n := w.server.Requests("a", ""); n > 32 {
						t.Errorf("%d requests", n)
					}
				})
			})
		}
	}
}

// Half of the answers say that something went wrong: each costs its renewal, and no further request.
func TestALeaderWhoseRenewalsFailNowAndThenSendsOneEachRetryPeriod(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.candidate("a").start()
		a.leads(time.Second)
		var n atomic.Int64
		a.client.Intercept(func(op leasetest.Op) (f leasetest.Fault) {
			if n.Add(1)%2 == 0 {
				f.Err = apierrors.NewInternalError(errors.New("no"))
			}
			return f
		})
		time.Sleep(10 * time.Second)
		w.server.ResetRequests()
		time.Sleep(10 * time.Minute)
		if n := w.server.Requests("a", ""); n > 320 {
			t.Errorf("%d requests in 10 minutes", n)
		}
		if w.log.count("a stopped") > 0 {
			t.Error("it cost the leadership")
		}
	})
}
