// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/kube-elector/elector/elector/leasetest"
)

// These were found by test/sim.

func TestARenewalWhoseReplyWasLostIsMadeAnewByTheNextTry(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		// With these durations an attempt's time, half of RenewDeadline, is more than LeaseDuration leaves beyond
		// RenewDeadline.
		slow := func(c *Config) {
			c.LeaseDuration, c.RenewDeadline, c.RetryPeriod = 137*time.Second, 107*time.Second, 26*time.Second
		}
		a, b := w.candidate("a", slow).start(), w.candidate("b", slow)
		a.leads(time.Second)
		b.start()
		var tries atomic.Int64
		a.client.Intercept(func(op leasetest.Op) (fault leasetest.Fault) {
			if op.Verb == "update" {
				fault.LoseReply = tries.Add(1) == 1
			}
			return fault
		})
		w.until(time.Minute, "a reply is lost", func() bool { return tries.Load() == 1 })
		version := w.lease().ResourceVersion
		w.until(time.Minute, "the renewal is tried again", func() bool { return tries.Load() == 2 })
		if w.lease().ResourceVersion == version {
			t.Error("the second try has changed nothing in the Lease")
		}
		a.client.Partition()
		w.until(4*time.Minute, "b leads", func() bool {
			if a.IsLeader() && b.IsLeader() {
				t.Fatalf("two leaders\n%s", w.log)
			}
			return b.IsLeader()
		})
	})
}

func TestAReleaseThatIsRefusedForEverIsTriedAtAModestRate(t *testing.T) {
	for name, refusal := range map[string]error{
		"by conflicts":  apierrors.NewConflict(coordinationv1.Resource("leases"), testLease, errors.New("for no reason")),
		"by admission":  apierrors.NewForbidden(coordinationv1.Resource("leases"), testLease, errors.New("by a policy")),
		"by its limits": apierrors.NewTooManyRequests("later", 1),
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				a := w.candidate("a").start()
				a.leads(time.Second)
				a.client.Latency(time.Millisecond, time.Millisecond)
				a.client.Intercept(func(op leasetest.Op) (fault leasetest.Fault) {
					if op.Verb == "update" {
						fault.Err = refusal
					}
					return fault
				})
				w.server.ResetRequests()
				a.stop()
				if err := a.result(DefaultRenewDeadline); !errors.Is(err, ErrNotReleased) || !errors.Is(err, refusal) {
					t.Errorf("Start returned %v, want ErrNotReleased with the reason", err)
				}
				if n := w.server.Requests("a", ""); n > 40 {
					t.Errorf("%d requests", n)
				}
			})
		})
	}
}

func TestStepDownLeavesTheLeaseToOthersHoweverLongItsReleaseTook(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, b := w.candidate("a").start(), w.candidate("b")
		a.leads(time.Second)
		b.start()
		b.client.Latency(50*time.Millisecond, 50*time.Millisecond) // a would be faster
		time.Sleep(time.Minute)
		allowed := time.Now().Add(yieldPeriods*DefaultRetryPeriod + DefaultRetryPeriod/4)
		a.client.Intercept(func(op leasetest.Op) (fault leasetest.Fault) {
			if op.Verb == "update" && time.Now().Before(allowed) {
				fault.Err = apierrors.NewTooManyRequests("later", 1)
			}
			return fault
		})
		if err := a.StepDown(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.until(time.Second, "another leads", func() bool { return a.IsLeader() || b.IsLeader() })
		if a.IsLeader() {
			t.Error("it took the Lease again at once")
		}
	})
}

// The API server answers again, so the watch comes early, and it ends at once for a reason that says nothing bad.
func TestAWatchThatCameEarlyAndExpiresIsOpenedAgainInTime(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.candidate("a").start()
		a.leads(time.Second)
		b := w.candidate("b").start()
		time.Sleep(time.Minute)
		b.client.Intercept(faultOn{"watch get", lastingFaults["403"]}.intercept)
		b.client.CutWatches()
		time.Sleep(5*time.Minute + 5*time.Second)
		w.server.ResetRequests()
		b.client.Heal()
		for w.server.Requests("b", "watch") == 0 {
			time.Sleep(time.Millisecond)
		}
		healed := time.Now()
		b.client.ExpireWatches()
		for w.server.Requests("b", "watch") == 1 && time.Since(healed) < 2*time.Minute {
			time.Sleep(time.Millisecond)
		}
		if took := time.Since(healed); took > longestSlow+time.Second {
			t.Errorf("the watch is opened again after %v", took)
		}
	})
}
