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
	"k8s.io/utils/ptr"

	"github.com/kube-elector/elector/elector/internal/lease"
	"github.com/kube-elector/elector/elector/leasetest"
)

// lastRenewal returns when the leader's last acknowledged write was sent.
func (w *world) lastRenewal() time.Time { return w.lease().Spec.RenewTime.Time }

func TestGuarantee2TheContextEndsByTheDeadlineWhateverTheNetworkDoes(t *testing.T) {
	for name, c := range map[string]struct {
		fault func(*leasetest.Client)
		cause error
	}{
		"blackholed":                 {(*leasetest.Client).Partition, ErrLeaseExpired},
		"writes land, replies lost":  {(*leasetest.Client).DropReplies, ErrLeaseExpired},
		"requests lost, watch works": {(*leasetest.Client).DropRequests, ErrLeaseExpired},
		"replies 12s late":           {func(c *leasetest.Client) { c.Latency(0, 12*time.Second) }, ErrLeaseExpired},
		"requests 12s late":          {func(c *leasetest.Client) { c.Latency(12*time.Second, 0) }, ErrLeaseExpired},
		"every request refused":      {func(c *leasetest.Client) { c.Fail(errors.New("no"), -1) }, ErrLeaseExpired},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				a := w.candidate("a").start()
				a.leads(time.Second)
				term, _ := a.Term()
				time.Sleep(61 * time.Second)
				renewed := w.lastRenewal()
				c.fault(a.client)
				w.until(time.Minute, "the term ends", func() bool { return !a.IsLeader() })
				if after := time.Since(renewed); after > DefaultRenewDeadline+time.Millisecond {
					t.Errorf("ended %v after the last acknowledged renewal was sent, want RenewDeadline", after)
				}
				w.wantOrder("a started", "a cancelled: "+c.cause.Error(), "a returned", "a stopped")
				if term.Remaining() != 0 {
					t.Error("the ended term still has time remaining")
				}
			})
		})
	}
}

func TestGuarantee1LateRepliesNeverMakeTwoLeaders(t *testing.T) {
	for _, late := range []time.Duration{3 * time.Second, 4900 * time.Millisecond, 5 * time.Second, 9 * time.Second} {
		t.Run(late.String(), func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				a := w.candidate("a").start()
				a.leads(time.Second)
				b := w.candidate("b").start()
				time.Sleep(61 * time.Second)
				// One renewal answered late, then nothing: fact 4.
				a.client.Latency(0, late)
				time.Sleep(2*time.Second + late)
				a.client.Partition()
				w.until(time.Minute, "b leads", func() bool {
					if a.IsLeader() && b.IsLeader() {
						t.Fatalf("two leaders\n%s", w.log)
					}
					return b.IsLeader()
				})
				w.wantOrder("a stopped", "b started")
			})
		})
	}
}

func TestGuarantee2ATermIsCountedFromTheSendingOfItsClaim(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.candidate("a")
		a.client.Latency(0, 4*time.Second)
		a.start().leads(time.Minute)
		claimed := w.lease().Spec.AcquireTime.Time
		a.client.Partition()
		w.until(time.Minute, "the term ends", func() bool { return !a.IsLeader() })
		if after := time.Since(claimed); after > DefaultRenewDeadline+time.Millisecond {
			t.Errorf("ended %v after the claim was sent, want RenewDeadline", after)
		}
	})
}

func TestGuarantee2TheContextEndsAtOnceAtAnySignOfAnotherHolder(t *testing.T) {
	for name, c := range map[string]struct {
		act   func(*world)
		cause error
	}{
		"deleted": {func(w *world) { w.server.Delete(testNamespace, testLease) }, ErrLeaseDeleted},
		"taken over": {func(w *world) {
			w.edit(func(l *coordinationv1.Lease) { l.Spec.HolderIdentity = ptr.To("x") })
		}, ErrTakenOver},
		"blanked": {func(w *world) {
			w.edit(func(l *coordinationv1.Lease) { l.Spec.HolderIdentity = ptr.To("") })
		}, ErrTakenOver},
		"holder removed": {func(w *world) {
			w.edit(func(l *coordinationv1.Lease) { l.Spec.HolderIdentity = nil })
		}, ErrTakenOver},
		"replaced by a copy with another UID": {func(w *world) {
			l := w.lease()
			l.UID = "other"
			w.server.Put(l)
		}, ErrLeaseDeleted},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.candidate("a").start().leads(time.Second)
				time.Sleep(3500 * time.Millisecond)
				c.act(w)
				acted := time.Since(w.log.start)
				synctest.Wait()
				if at, ok := w.log.at("a cancelled: " + c.cause.Error()); !ok || at != acted {
					t.Errorf("not cancelled at once (%v) with cause %q:\n%s", acted, c.cause, w.log)
				}
			})
		})
	}
}

func TestGuarantee2WithTheWatchDeadTheNextRenewalShowsTheOtherHolder(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.candidate("a").start()
		a.leads(time.Second)
		a.client.StallWatches()
		w.edit(func(l *coordinationv1.Lease) { l.Spec.HolderIdentity = ptr.To("x") })
		w.until(DefaultRetryPeriod+time.Millisecond, "the term ends", func() bool { return !a.IsLeader() })
		if lease.Holder(w.lease()) != "x" {
			t.Error("the other holder's record was overwritten")
		}
	})
}

func TestALeadersDeadWatchIsReplaced(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.candidate("a").start()
		a.leads(time.Second)
		time.Sleep(time.Minute)
		a.client.StallWatches()
		time.Sleep(3*DefaultRetryPeriod + DefaultRetryPeriod/2) // between two renewals
		w.server.Delete(testNamespace, testLease)
		synctest.Wait()
		w.wantOrder("a cancelled: " + ErrLeaseDeleted.Error())
	})
}

func TestEditsOfLabelsDoNotEndTheTermAndSurvive(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.candidate("a").start()
		a.leads(time.Second)
		for _, dead := range []bool{false, true} { // seen by the watch; found out by a conflict
			if dead {
				a.client.StallWatches()
			}
			w.edit(func(l *coordinationv1.Lease) { l.Labels = map[string]string{"edited": "yes"} })
			time.Sleep(time.Minute)
			if w.lease().Labels["edited"] != "yes" {
				t.Error("the edit was overwritten")
			}
		}
		if n := w.log.count("a started"); n != 1 || !a.IsLeader() {
			t.Errorf("the edit ended the term:\n%s", w.log)
		}
	})
}

func TestGuarantee7TokensRiseOverAllTerms(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var last Token
		check := func(c *candidate) {
			t.Helper()
			c.leads(time.Minute)
			term, ok := c.Term()
			if !ok {
				t.Fatal("leads without a term")
			}
			if last != "" {
				if order, err := term.Token.Compare(last); err != nil || order <= 0 {
					t.Errorf("token %q after %q: %d, %v", term.Token, last, order, err)
				}
			}
			last = term.Token
		}
		a := w.candidate("a").start()
		check(a)
		b := w.candidate("b").start()
		synctest.Wait()
		if err := a.StepDown(t.Context()); err != nil {
			t.Fatal(err)
		}
		check(b)
		w.server.Delete(testNamespace, testLease)
		synctest.Wait()
		check(b)
		b.crash()
		check(a)
	})
}

func TestTheTermTravelsInItsContext(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.candidate("a")
		a.callbacks.OnStartedLeading = func(ctx context.Context) {
			child, cancel := context.WithCancel(ctx)
			defer cancel()
			fromContext, ok := TermFromContext(child)
			current, leading := a.Term()
			if !ok || !leading || fromContext != current || fromContext.Identity != "a" || fromContext.Token == "" {
				t.Errorf("TermFromContext = %+v, %t; Term = %+v, %t", fromContext, ok, current, leading)
			}
			if left := fromContext.Remaining(); left <= 0 || left > DefaultRenewDeadline {
				t.Errorf("Remaining = %v", left)
			}
			w.log.add("checked")
		}
		a.start().leads(time.Second)
		w.wantOrder("checked")
		if _, ok := TermFromContext(t.Context()); ok {
			t.Error("a term out of nowhere")
		}
	})
}

func TestGuarantee3RemainingIsCountedFromTheSendingOfTheRenewal(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.candidate("a").start()
		a.leads(time.Second)
		time.Sleep(time.Minute)
		a.client.Latency(time.Second, 2*time.Second)
		var least time.Duration = DefaultRenewDeadline
		for range 40_000 {
			time.Sleep(time.Millisecond)
			synctest.Wait()
			left := a.Remaining()
			if left > DefaultRenewDeadline-3*time.Second && time.Since(w.log.start) > 65*time.Second {
				t.Fatalf("%v remaining although every acknowledgement comes 3s after the sending", left)
			}
			least = min(least, left)
		}
		if least == 0 {
			t.Errorf("leadership was lost over a slow API server\n%s", w.log)
		}
	})
}

// asleep returns a term as a process finds it that was stopped right after its last renewal and continued later, before
// any timer has fired.
func asleep(t *testing.T, mono, wall time.Duration) *term {
	m := lease.Now()
	sent := lease.Moment{Mono: m.Mono - mono, Wall: m.Wall.Add(-wall)}
	return newTerm(t.Context(), Term{}, "uid", DefaultRenewDeadline, sent)
}

func TestGuarantee3AFrozenProcessFindsItselfNotLeading(t *testing.T) {
	for name, late := range map[string]func() *term{
		"stopped":   func() *term { return asleep(t, 30*time.Second, 30*time.Second) },
		"suspended": func() *term { return asleep(t, time.Second, time.Minute) },
	} {
		t.Run(name, func(t *testing.T) {
			look := late()
			if left := look.remaining(); left != 0 {
				t.Errorf("%v remaining at the first look", left)
			}
			if !errors.Is(context.Cause(look.ctx), ErrLeaseExpired) {
				t.Errorf("the first look leaves the context alive: %v", context.Cause(look.ctx))
			}
			// A reply that was waiting is read before any look.
			reply := late()
			reply.extend(lease.Now())
			if left := reply.remaining(); left != 0 {
				t.Errorf("a late reply has revived the term for %v", left)
			}
			if !errors.Is(context.Cause(reply.ctx), ErrLeaseExpired) {
				t.Errorf("a late reply leaves the context alive: %v", context.Cause(reply.ctx))
			}
		})
	}
	if left := asleep(t, time.Second, -time.Hour).remaining(); left < 8*time.Second || left > 9*time.Second {
		t.Errorf("%v remaining after the wall clock was set back, want 9s", left)
	}
}
