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
	"k8s.io/utils/ptr"

	"github.com/kube-elector/elector/elector/internal/lease"
	"github.com/kube-elector/elector/elector/leasetest"
)

func TestAClaimThatLandsAfterTheStopIsReleased(t *testing.T) {
	type claim struct {
		fault leasetest.Fault // of the first write
		watch bool
	}
	for name, c := range map[string]claim{
		"won after the stop":                    {leasetest.Fault{ReplyDelay: time.Second}, true},
		"its reply is lost, the watch shows it": {leasetest.Fault{LoseReply: true}, true},
		"its reply is lost, a read shows it":    {leasetest.Fault{LoseReply: true}, false},
		"it lands late":                         {leasetest.Fault{Delay: 6 * time.Second}, true},
	} {
		for _, asked := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, ReleaseOnCancel: %t", name, asked), func(t *testing.T) {
				inWorld(t, func(t *testing.T, w *world) {
					a := w.candidate("a", func(c *Config) { c.ReleaseOnCancel = asked })
					claimed := false
					a.client.Intercept(func(op leasetest.Op) leasetest.Fault {
						switch {
						case op.Lease != nil && !claimed:
							claimed = true
							return c.fault
						case op.Verb == "watch" && !c.watch:
							return leasetest.Fault{Err: errors.New("no watch")}
						}
						return leasetest.Fault{}
					})
					a.start()
					time.Sleep(500 * time.Millisecond)
					a.stop()
					if err := a.result(20 * time.Second); err != nil {
						t.Error(err)
					}
					if l := w.lease(); l == nil || lease.Holder(l) != "" || w.log.count("a started") > 0 {
						t.Errorf("the Lease is %v\n%s", l, w.log)
					}
				})
			})
		}
	}
}

func TestAClaimAfterALostTermThatLandsAfterTheStopIsReleased(t *testing.T) {
	for name, fault := range map[string]leasetest.Fault{
		"won after the stop": {ReplyDelay: time.Second},
		"its reply is lost":  {LoseReply: true},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				a := w.candidate("a", func(c *Config) { c.ReleaseOnCancel = false }).start()
				a.leads(time.Second)
				a.client.Fail(errors.New("no"), -1)
				w.until(time.Minute, "the term is lost", func() bool { return !a.IsLeader() })
				before := w.lease().ResourceVersion
				a.client.Heal()
				onWrites(fault)(a)
				w.until(time.Minute, "it has claimed", func() bool { return w.lease().ResourceVersion != before })
				a.stop()
				if err := a.result(20 * time.Second); err != nil {
					t.Error(err)
				}
				if l := w.lease(); lease.Holder(l) != "" || w.log.count("a started") > 1 {
					t.Errorf("the Lease is held by %q\n%s", lease.Holder(l), w.log)
				}
			})
		})
	}
}

func TestAClaimInDoubtStaysSoWhenTheNextOneIsAnswered(t *testing.T) {
	for name, answer := range map[string]error{
		"server error": apierrors.NewInternalError(errors.New("no")),
		"conflict":     apierrors.NewConflict(coordinationv1.Resource("leases"), testLease, errors.New("no")),
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				a := w.candidate("a")
				first := true
				a.client.Intercept(func(op leasetest.Op) (f leasetest.Fault) {
					switch {
					case op.Lease == nil || lease.Holder(op.Lease) == "":
					case first:
						first, f.Delay = false, DefaultRenewDeadline-time.Second
					default:
						f.Err = answer
					}
					return f
				})
				a.start()
				time.Sleep(DefaultRenewDeadline/2 + time.Second) // the second claim has failed
				a.stop()
				if err := a.result(DefaultRenewDeadline); err != nil {
					t.Error(err)
				}
				time.Sleep(DefaultRenewDeadline)
				if l := w.lease(); l == nil || lease.Holder(l) != "" {
					t.Errorf("the Lease is %v", l)
				}
			})
		})
	}
}

// A claim may be carried out until RenewDeadline after it was sent. The others leave it alone for LeaseDuration then.
func TestAClaimThatMayHaveLandedLateIsInDoubtUntilItHasLapsed(t *testing.T) {
	for name, c := range map[string]struct {
		after time.Duration // the claim was sent
		want  error
	}{
		"it has landed":  {DefaultLeaseDuration + time.Second, ErrNotReleased},
		"it lapses soon": {DefaultLeaseDuration + DefaultRenewDeadline - 3*time.Second, ErrNotReleased},
		"it has lapsed":  {DefaultLeaseDuration + DefaultRenewDeadline + time.Second, nil},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				a := w.candidate("a", func(c *Config) { c.DrainTimeout = time.Second })
				var claimed atomic.Bool
				a.client.Intercept(func(op leasetest.Op) (f leasetest.Fault) {
					switch {
					case claimed.Load():
						f.Err = errForbidden
					case op.Lease != nil:
						claimed.Store(true)
						f.Delay = DefaultRenewDeadline - time.Millisecond
					}
					return f
				})
				a.start()
				time.Sleep(c.after)
				if holder := lease.Holder(w.lease()); holder != "a" {
					t.Fatalf("the Lease is held by %q", holder)
				}
				a.stop()
				if err := a.result(time.Minute); !errors.Is(err, c.want) {
					t.Errorf("Start returned %v, want %v", err, c.want)
				}
			})
		})
	}
}

// A Lease can be created whenever there is none, however many there have been since that was decided on.
func TestACreationThatOthersOvertookBeginsNoTermAndIsNoneOfNothing(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.candidate("a")
		a.client.Intercept(func(op leasetest.Op) (f leasetest.Fault) {
			if op.Verb == "create" {
				f.Delay = 3 * time.Second
			}
			return f
		})
		a.start()
		time.Sleep(time.Second)
		w.server.Put(foreignLease("x", ptr.To[int32](15)))
		time.Sleep(time.Second)
		w.server.Delete(testNamespace, testLease)
		stepped := make(chan error, 1)
		go func() { stepped <- a.StepDown(t.Context()) }()
		time.Sleep(2 * time.Second)
		if a.IsLeader() || lease.Holder(w.lease()) != "a" {
			t.Errorf("a leads: %t; %q holds the Lease", a.IsLeader(), lease.Holder(w.lease()))
		}
		if err := <-stepped; !errors.Is(err, ErrNotReleased) {
			t.Errorf("StepDown returned %v", err)
		}
	})
}
