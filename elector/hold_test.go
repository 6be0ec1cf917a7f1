// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/utils/ptr"

	"github.com/kube-elector/elector/elector/internal/lease"
	"github.com/kube-elector/elector/elector/leasetest"
)

// holdIn opens a hold on the candidate's current term.
func (c *candidate) holdIn() (release func()) {
	c.w.t.Helper()
	term, leads := c.Term()
	release, ok := term.Hold()
	if !leads || !ok {
		c.w.t.Fatalf("no hold: leads: %t\n%s", leads, c.w.log)
	}
	return release
}

func TestGuarantee5AHoldKeepsTheLeaseFromBeingReleased(t *testing.T) {
	for name, end := range map[string]func(*candidate){
		"Start's context cancelled": func(c *candidate) { c.stop() },
		"StepDown":                  func(c *candidate) { go c.StepDown(c.w.t.Context()) }, //nolint:errcheck // watched from outside
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				a := w.candidate("a").start()
				a.leads(time.Second)
				b := w.candidate("b").start()
				synctest.Wait()
				first, second := a.holdIn(), a.holdIn()
				term, _ := a.Term()
				end(a)
				synctest.Wait()
				w.wantOrder("a returned", "a stopped")
				if _, ok := term.Hold(); ok || a.IsLeader() {
					t.Error("a hold was given, or a leads, after the work had returned")
				}
				time.Sleep(25 * time.Second) // longer than LeaseDuration
				first()
				first() // not the second one
				time.Sleep(2 * time.Second)
				if lease.Holder(w.lease()) != "a" || b.IsLeader() {
					t.Fatalf("held by %q with a hold open\n%s", lease.Holder(w.lease()), w.log)
				}
				second()
				b.leads(50 * time.Millisecond)
			})
		})
	}
}

func TestGuarantee5AHoldThatOutlastsDrainTimeoutIsNamed(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.candidate("a").start()
		a.leads(time.Second)
		release := a.holdIn()
		a.stop()
		err := a.result(DefaultDrainTimeout + time.Second)
		if !errors.Is(err, ErrDrainTimeout) || !strings.Contains(err.Error(), "Hold") {
			t.Errorf("Start returned %v, want ErrDrainTimeout and that a hold is open", err)
		}
		if lease.Holder(w.lease()) != "a" {
			t.Error("released with a hold open")
		}
		release()
	})
}

func TestTheHoldsOfALostTermJustEnd(t *testing.T) {
	for name, lose := range map[string]func(*candidate){
		"lost": func(c *candidate) { c.w.isHeldBy("x") },
		"lost while it ended voluntarily": func(c *candidate) {
			c.stop()
			synctest.Wait()
			c.w.isHeldBy("x")
		},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				a := w.candidate("a").start()
				a.leads(time.Second)
				release := a.holdIn()
				term, _ := a.Term()
				lose(a)
				synctest.Wait()
				if a.term.Load() != nil {
					t.Errorf("the term goes on\n%s", w.log)
				}
				if _, ok := term.Hold(); ok {
					t.Error("a hold was given after the term was lost")
				}
				release()
			})
		})
	}
}

func TestATermThatIsNoneHasNoHold(t *testing.T) {
	release, ok := Term{}.Hold()
	if ok {
		t.Error("a hold on nothing")
	}
	release()
}

// resumed reports for each of the terms whether it had resumed the one before.
func (c *candidate) resumed() *[]bool {
	var terms []bool
	work := c.callbacks.OnStartedLeading
	c.callbacks.OnStartedLeading = func(ctx context.Context) {
		term, _ := TermFromContext(ctx)
		terms = append(terms, term.Resumed)
		work(ctx)
	}
	return &terms
}

func TestATermIsResumedOnlyIfNobodyLedSinceTheOneBefore(t *testing.T) {
	for name, c := range map[string]struct {
		between func(a, b *candidate)
		want    bool
	}{
		"an outage": {func(a, _ *candidate) {
			a.client.Partition()
			time.Sleep(10 * time.Minute)
			a.client.Heal()
		}, true},
		"replies lost": {func(a, _ *candidate) {
			a.client.DropReplies()
			time.Sleep(10 * time.Minute)
			a.client.Heal()
		}, true},
		"another led": {func(a, b *candidate) {
			b.start()
			a.client.Partition()
			b.leads(time.Minute)
			a.client.Heal()
			b.stop()
		}, false},
		"another led, and a claim's reply is lost": {func(a, b *candidate) {
			b.start()
			a.client.Partition()
			b.leads(time.Minute)
			a.client.Heal()
			lost := false
			a.client.Intercept(func(op leasetest.Op) (f leasetest.Fault) {
				f.LoseReply = op.Lease != nil && !lost
				lost = lost || op.Lease != nil
				return f
			})
			b.stop()
		}, false},
		"another holder was seen": {func(a, _ *candidate) { a.w.isHeldBy("x") }, false},
		"blanked": {func(a, _ *candidate) {
			a.w.edit(func(l *leaseObject) { l.Spec.HolderIdentity = ptr.To("") })
		}, false},
		"deleted": {func(a, _ *candidate) { a.w.server.Delete(testNamespace, testLease) }, false},
		"stepped down": {func(a, _ *candidate) {
			if err := a.StepDown(a.w.t.Context()); err != nil {
				a.w.t.Error(err)
			}
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				a, b := w.candidate("a"), w.candidate("b")
				terms := a.resumed()
				a.start().leads(time.Second)
				time.Sleep(time.Minute)
				c.between(a, b)
				synctest.Wait()
				w.until(time.Minute, "a leads again", func() bool { return a.IsLeader() && len(*terms) == 2 })
				if first := (*terms)[0]; first || (*terms)[1] != c.want {
					t.Errorf("resumed: %v, want [false %t]", *terms, c.want)
				}
			})
		})
	}
}
