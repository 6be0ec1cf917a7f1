// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/kube-elector/elector/elector/leasetest"
)

// The bound must hold at whatever moment the context ends, and however short DrainTimeout is.
func TestStartReturnsWithinASecondOfDrainTimeoutWhateverFails(t *testing.T) {
	faults := map[string]leasetest.Fault{
		"hangs":                 {Hang: true},
		"hangs, also cancelled": {Hang: true, IgnoreContext: true},
		"no reply":              {LoseReply: true},
		"slow":                  {ReplyDelay: 240 * time.Millisecond},
		"slower":                {ReplyDelay: 480 * time.Millisecond},
	}
	for name, fault := range faults {
		for _, after := range []time.Duration{time.Millisecond, 400 * time.Millisecond, 16 * time.Second} {
			for _, led := range []bool{false, true} {
				for _, drain := range []time.Duration{MinDuration, time.Second} {
					t.Run(fmt.Sprintf("%s/led %t/%v/%v", name, led, after, drain), func(t *testing.T) {
						inWorld(t, func(t *testing.T, w *world) {
							a := w.candidate("a", func(c *Config) { c.DrainTimeout = drain })
							if led {
								a.start().leads(time.Second)
								time.Sleep(time.Minute)
							}
							var late atomic.Bool
							a.client.Intercept(func(op leasetest.Op) leasetest.Fault {
								if late.Load() { // what comes after the last moment hangs in any case
									return leasetest.Fault{Hang: true, IgnoreContext: true}
								}
								return fault
							})
							if !led {
								a.start()
							}
							time.Sleep(after)
							at := time.Now()
							time.AfterFunc(drain+100*time.Millisecond, func() { late.Store(true) })
							a.stop()
							_ = a.result(time.Minute)
							if took := time.Since(at); took > drain+time.Second {
								t.Errorf("Start returned after %v", took)
							}
							a.client.Heal()
						})
					})
				}
			}
		}
	}
}

// A renewal without an answer keeps the others waiting from when it was carried out.
func TestARenewalWithoutAnAnswerMayHoldTheLeaseWhenStartReturns(t *testing.T) {
	for name, test := range map[string]struct {
		fault leasetest.Fault
		held  bool
	}{
		"reply lost": {leasetest.Fault{LoseReply: true}, true},
		"refused":    {leasetest.Fault{Err: apierrors.NewForbidden(coordinationv1.Resource("leases"), testLease, nil)}, false},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				a := w.candidate("a")
				a.start().leads(time.Second)
				time.Sleep(time.Minute + time.Second)
				lost := time.Now()
				a.client.Intercept(func(leasetest.Op) leasetest.Fault { return test.fault })
				a.client.CutWatches()
				time.Sleep(DefaultRetryPeriod) // a renewal
				a.client.Intercept(func(leasetest.Op) leasetest.Fault { return lastingFaults["403"] })
				_ = a.StepDown(t.Context()) // so that it does not claim
				held := w.lease().Spec.RenewTime.Time.After(lost)
				time.Sleep(time.Until(lost.Add(DefaultLeaseDuration))) // What was seen has lapsed.
				a.stop()
				if err := a.result(DefaultDrainTimeout); held != test.held || errors.Is(err, ErrNotReleased) != held {
					t.Errorf("Start returned %v, and the Lease is held: %t", err, held)
				}
			})
		})
	}
}
