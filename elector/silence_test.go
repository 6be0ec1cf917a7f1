// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/utils/ptr"

	"github.com/kube-elector/elector/elector/leasetest"
)

// holdingBack makes the client's watches say nothing, as behind a proxy that buffers.
func holdingBack(c *leasetest.Client) { c.DelayWatches(1000 * time.Hour) }

func TestHandOverBehindAProxyThatBuffersIsNoSlowerThanClientGos(t *testing.T) {
	for name, buffer := range map[string]func(*leasetest.Client){
		"watches open and say nothing": holdingBack,
		"watches never open": func(c *leasetest.Client) {
			c.Intercept(func(op leasetest.Op) leasetest.Fault { return leasetest.Fault{Hang: op.Verb == "watch"} })
		},
		"watches end as soon as they are open": func(c *leasetest.Client) {
			c.Intercept(func(op leasetest.Op) leasetest.Fault {
				time.AfterFunc(time.Microsecond, func() { c.CutWatches() })
				return leasetest.Fault{}
			})
		},
	} {
		for _, wait := range []time.Duration{5 * time.Second, 30 * time.Second, 10 * time.Minute} {
			for phase := range 10 {
				t.Run(fmt.Sprintf("%s/%v/%d", name, wait, phase), func(t *testing.T) {
					inWorld(t, func(t *testing.T, w *world) {
						a, b := w.candidate("a"), w.candidate("b")
						buffer(a.client)
						buffer(b.client)
						a.start().leads(time.Second)
						b.start()
						time.Sleep(wait + time.Duration(phase)*361*time.Millisecond)
						a.stop()
						if took := b.leads(time.Minute); took > DefaultRetryPeriod*7/4 {
							t.Errorf("took %v", took)
						}
					})
				})
			}
		}
	}
}

func TestGuarantee9AWatchThatFallsSilentIsNoticedWithinTwoRetryPeriods(t *testing.T) {
	for phase := range 10 {
		inWorld(t, func(t *testing.T, w *world) {
			a := w.candidate("a").start()
			a.leads(time.Second)
			b := w.candidate("b").start()
			time.Sleep(time.Hour + time.Duration(phase)*199*time.Millisecond)
			b.client.StallWatches()
			holdingBack(b.client)
			w.server.ResetRequests()
			time.Sleep(2*DefaultRetryPeriod + time.Millisecond)
			if w.server.Requests("b", "get") == 0 || b.watcher.State().Trusted {
				t.Errorf("it was not noticed")
			}
			time.Sleep(time.Minute)
			w.server.ResetRequests()
			time.Sleep(10 * time.Minute)
			if n := w.server.Requests("b", ""); n > 200 {
				t.Errorf("%d requests in 10 minutes", n)
			}
			// Within a RetryPeriod of the watch working everything is as ever.
			b.client.Heal()
			w.until(longestSlow, "a new watch", func() bool { return b.watcher.State().Trusted })
			time.Sleep(DefaultRetryPeriod)
			w.server.ResetRequests()
			time.Sleep(10 * time.Minute)
			if n := w.server.Requests("b", ""); n > 0 {
				t.Errorf("%d requests in 10 minutes beside a watch that works", n)
			}
			a.stop()
			b.leads(time.Millisecond)
		})
	}
}

// A watch is silent between the renewals of a holder, however rare these are.
func TestGuarantee9AHolderThatRenewsSlowlyIsNotPolled(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.candidate("a", func(c *Config) {
			c.LeaseDuration, c.RenewDeadline, c.RetryPeriod = time.Minute, 40*time.Second, 13*time.Second
		}).start()
		a.leads(time.Second)
		b := w.candidate("b").start()
		time.Sleep(time.Minute)
		if n := w.server.Requests("b", "get"); n > 5 {
			t.Errorf("%d reads in the first minute", n)
		}
		w.server.ResetRequests()
		time.Sleep(time.Hour)
		if n := w.server.Requests("b", ""); n > 2 {
			t.Errorf("%d requests in an hour", n)
		}
		b.client.StallWatches()
		time.Sleep(2 * 13 * time.Second)
		if n := w.server.Requests("b", "watch"); n == 0 {
			t.Error("the dead watch was not replaced")
		}
	})
}

func TestAReadIsGivenUpWhenTheWatchIsFaster(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.server.Put(foreignLease("x", ptr.To[int32](60)))
		b := w.candidate("b").start()
		time.Sleep(time.Second)
		reads := 0
		b.client.Intercept(func(op leasetest.Op) leasetest.Fault {
			if op.Verb == "get" {
				reads++
			}
			return leasetest.Fault{Hang: op.Verb == "get"}
		})
		time.Sleep(4 * time.Second) // a read that hangs is under way
		synctest.Wait()
		if reads != 1 {
			t.Fatalf("%d reads: nothing is shown", reads)
		}
		w.isHeldBy("")
		b.leads(time.Millisecond)
	})
}

// While there is no Lease nothing shows that the watch has died.
func TestADeadWatchIsNoticedWhileTheTimeOfADeletedLeaseMustPass(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.server.Put(foreignLease("x", ptr.To[int32](600)))
		a := w.candidate("a").start()
		time.Sleep(time.Minute)
		w.server.Delete(testNamespace, testLease)
		time.Sleep(time.Minute)
		a.client.StallWatches()
		w.server.Put(foreignLease("y", ptr.To[int32](600)))
		w.server.ResetRequests()
		time.Sleep(4 * time.Minute)
		if leader := a.GetLeader(); leader != "y" || w.server.Requests("a", "") > 4*20 {
			t.Errorf("the leader is said to be %q, after %d requests", leader, w.server.Requests("a", ""))
		}
	})
}
