// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/kube-elector/elector/elector/internal/lease"
	"github.com/kube-elector/elector/elector/leasetest"
)

// released fails the test if StepDown says that the Lease is released although it names the candidate.
func (c *candidate) released(err error) {
	c.w.t.Helper()
	if named := lease.Holder(c.w.lease()) == c.id; named == (err == nil) || err != nil && !errors.Is(err, ErrNotReleased) {
		c.w.t.Errorf("StepDown = %v; the Lease is held by %q\n%s", err, lease.Holder(c.w.lease()), c.w.log)
	}
}

func TestStepDownReturnsNilOnlyIfNothingIsHeld(t *testing.T) {
	for name, prepare := range map[string]func(*candidate){
		"while a lost term ends": func(c *candidate) {
			c.atEnd = func(context.Context) { time.Sleep(3 * time.Second) }
			c.start().leads(time.Second)
			c.client.Fail(errors.New("no"), -1)
			c.w.until(time.Minute, "lost", func() bool { return !c.IsLeader() })
			c.client.Heal()
		},
		"between terms": func(c *candidate) {
			c.start().leads(time.Second)
			c.client.Fail(errors.New("no"), -1)
			c.w.until(time.Minute, "lost", func() bool { return !c.IsLeader() })
			time.Sleep(time.Second)
			c.client.Heal()
		},
		"between terms, API server away": func(c *candidate) {
			c.start().leads(time.Second)
			c.client.Fail(errors.New("no"), -1)
			c.w.until(time.Minute, "lost", func() bool { return !c.IsLeader() })
			time.Sleep(time.Second)
		},
		"while a claim is under way": func(c *candidate) {
			c.client.Latency(100*time.Millisecond, time.Second)
			c.start()
			c.w.until(time.Minute, "claimed", func() bool { return lease.Holder(c.w.lease()) == c.id })
			c.client.Latency(0, 0)
		},
		"while a claim is on its way": func(c *candidate) {
			c.client.Latency(time.Second, 0)
			c.start()
			time.Sleep(1500 * time.Millisecond)
			c.client.Latency(0, 0)
		},
		"while a release is under way": func(c *candidate) {
			c.start().leads(time.Second)
			c.client.Latency(100*time.Millisecond, time.Second)
			go c.StepDown(context.Background()) //nolint:errcheck // the second one counts
			time.Sleep(50 * time.Millisecond)
		},
		"after Start has ended without a release": func(c *candidate) {
			c.config.ReleaseOnCancel = false
			c.start().leads(time.Second)
			c.stop()
			_ = c.result(time.Second)
		},
		"a release in vain": func(c *candidate) {
			c.start().leads(time.Second)
			onWrites(leasetest.Fault{Err: errors.New("no")})(c)
		},
		"stopped meanwhile, without a release": func(c *candidate) {
			c.config.ReleaseOnCancel = false
			c.atEnd = func(context.Context) { time.Sleep(3 * time.Second) }
			c.start().leads(time.Second)
			c.stop()
			synctest.Wait()
		},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				a := w.candidate("a")
				prepare(a)
				synctest.Wait()
				a.released(a.StepDown(t.Context()))
			})
		})
	}
}

func TestAfterAnUnreleasedEndTheOthersComeFirst(t *testing.T) {
	for _, duration := range []time.Duration{DefaultLeaseDuration, time.Minute} {
		t.Run(duration.String(), func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				long := func(c *Config) { c.LeaseDuration = duration }
				a, b := w.candidate("a", long).start(), w.candidate("b", long)
				a.leads(time.Second)
				b.start()
				time.Sleep(time.Minute)
				a.client.Partition()
				if err := a.StepDown(t.Context()); !errors.Is(err, ErrNotReleased) {
					t.Errorf("StepDown = %v", err)
				}
				a.client.Heal()
				a.client.CutWatches()
				w.until(2*duration, "b leads", func() bool {
					if a.IsLeader() {
						t.Fatalf("a leads again, ahead of b\n%s", w.log)
					}
					return b.IsLeader()
				})
			})
		})
	}
}

func TestAfterAnUnreleasedEndTheOnlyCandidateLeadsAgain(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.candidate("a").start()
		a.leads(time.Second)
		onWrites(leasetest.Fault{Err: errors.New("no")})(a)
		if err := a.StepDown(t.Context()); !errors.Is(err, ErrNotReleased) {
			t.Errorf("StepDown = %v", err)
		}
		renewed := w.lastRenewal()
		a.client.Heal()
		a.leads(time.Minute)
		want := DefaultLeaseDuration + yieldPeriods*DefaultRetryPeriod
		if after := time.Since(renewed); after < want-time.Millisecond || after > want+time.Second {
			t.Errorf("leads again %v after the last renewal, want %v", after, want)
		}
	})
}

func TestAfterAStepDownFromARestoredRecordTheOthersComeFirst(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.candidate("a").start()
		a.leads(time.Second)
		a.client.Partition()
		w.until(time.Minute, "lost", func() bool { return !a.IsLeader() })
		time.Sleep(time.Second) // by its clock others may have led
		edit := func(value string) {
			w.edit(func(l *coordinationv1.Lease) { metav1.SetMetaDataLabel(&l.ObjectMeta, "edited", value) })
		}
		edit("once")
		a.client.Heal()
		a.client.CutWatches()
		time.Sleep(5 * time.Second)
		seen := time.Now()
		if err := a.StepDown(t.Context()); !errors.Is(err, ErrNotReleased) {
			t.Errorf("StepDown = %v", err)
		}
		edit("again")
		a.leads(time.Minute)
		// The others wait for LeaseDuration after they saw it, which was 5 s ago at most.
		if after, want := time.Since(seen), DefaultLeaseDuration-5*time.Second+yieldPeriods*DefaultRetryPeriod; after < want {
			t.Errorf("leads again after %v, want %v", after, want)
		}
	})
}

func TestStepDownByACallbackDoesNotWaitForItself(t *testing.T) {
	for _, callback := range []string{"OnStartedLeading", "OnStoppedLeading"} {
		t.Run(callback, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				a := w.candidate("a", func(c *Config) { c.ReleaseOnCancel = false })
				call := func() {
					if err := a.StepDown(context.Background()); !errors.Is(err, ErrSteppedDown) {
						t.Errorf("StepDown = %v", err)
					}
					time.Sleep(time.Second)
				}
				if callback == "OnStartedLeading" {
					a.callbacks.OnStartedLeading = func(context.Context) { call() }
				} else {
					a.callbacks.OnStoppedLeading = call
				}
				a.start().leads(time.Second)
				if callback == "OnStoppedLeading" {
					a.stop()
					synctest.Wait()
				}
				// Others wait for the release, which it has asked for.
				if err := a.StepDown(t.Context()); err != nil || lease.Holder(w.lease()) == "a" {
					t.Errorf("StepDown = %v, held by %q\n%s", err, lease.Holder(w.lease()), w.log)
				}
			})
		})
	}
}

func TestAfterAStepDownARecordThatWasThereBeforeIsNoReasonToLead(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c := w.candidate("a")
		c.atEnd = func(context.Context) { time.Sleep(4 * time.Second) }
		c.start().leads(time.Second)
		w.edit(func(l *coordinationv1.Lease) {
			l.Spec.HolderIdentity, l.Spec.LeaseDurationSeconds, l.Spec.RenewTime = ptr.To("x"), ptr.To[int32](1), micro(time.Now())
		})
		time.Sleep(time.Second)
		if err := c.StepDown(t.Context()); err != nil { // returns when the lost term's work has ended
			t.Error(err)
		}
		stepped := time.Now()
		c.leads(time.Minute)
		if yielded := time.Since(stepped); yielded < yieldPeriods*DefaultRetryPeriod {
			t.Errorf("leads again after %v", yielded)
		}
	})
}

// The claim of a candidate that never hears of it keeps the others waiting for LeaseDuration, which is longer than its
// term would have lasted.
func TestStepDownKnowsOfAClaimWhoseReplyWasLost(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.candidate("a")
		a.client.DelayWatches(time.Hour) // or the watch shows the claim
		a.client.Intercept(func(op leasetest.Op) (f leasetest.Fault) {
			f.LoseReply = op.Lease != nil
			return f
		})
		a.start()
		w.until(time.Minute, "claimed", func() bool { return lease.Holder(w.lease()) == "a" })
		claimed := time.Now()
		a.client.Partition()
		err := a.StepDown(t.Context()) // makes no other claim meanwhile
		if after := time.Since(claimed); err == nil && after < DefaultLeaseDuration {
			t.Errorf("StepDown = nil after %v, and the Lease is held by %q", after, lease.Holder(w.lease()))
		}
	})
}
