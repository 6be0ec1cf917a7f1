// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/kube-elector/elector/elector/internal/lease"
	"github.com/kube-elector/elector/elector/leasetest"
)

// patient returns a configuration in which one request takes longer than DrainTimeout.
func patient(c *Config) {
	c.LeaseDuration, c.RenewDeadline, c.RetryPeriod = 137*time.Second, 107*time.Second, 26*time.Second
}

// onWrites makes this fault of every write.
func onWrites(fault leasetest.Fault) func(*candidate) {
	return func(c *candidate) {
		c.client.Intercept(func(op leasetest.Op) leasetest.Fault {
			if op.Lease == nil {
				return leasetest.Fault{}
			}
			return fault
		})
	}
}

func TestStartReturnsWithinDrainTimeoutAndAShortAttempt(t *testing.T) {
	for name, c := range map[string]struct {
		before, during func(*candidate)
		work           time.Duration
		leads          bool
		released       bool
	}{
		"leading, no network":             {nil, func(c *candidate) { c.client.Partition() }, 0, true, false},
		"leading, replies lost":           {nil, func(c *candidate) { c.client.DropReplies() }, 0, true, true},
		"leading, slow work":              {nil, func(c *candidate) { time.AfterFunc(DefaultDrainTimeout-time.Second, c.client.Partition) }, DefaultDrainTimeout - time.Millisecond, true, false},
		"leading, requests hang":          {nil, func(c *candidate) { c.ignoring(everything...) }, 0, true, false},
		"a claim hangs":                   {onWrites(leasetest.Fault{Hang: true}), nil, 0, false, true},
		"a claim hangs, also its context": {onWrites(leasetest.Fault{Hang: true, IgnoreContext: true}), nil, 0, false, true},
		"a claim's reply is lost":         {onWrites(leasetest.Fault{LoseReply: true}), nil, 0, false, true},
	} {
		for setting, change := range map[string]func(*Config){"defaults": func(*Config) {}, "patient": patient} {
			t.Run(name+", "+setting, func(t *testing.T) {
				inWorld(t, func(t *testing.T, w *world) {
					a := w.candidate("a", change)
					a.atEnd = func(context.Context) { time.Sleep(c.work) }
					if c.before != nil {
						c.before(a)
					}
					a.start()
					if c.leads {
						a.leads(time.Second)
						time.Sleep(time.Minute)
					}
					time.Sleep(time.Second)
					if c.during != nil {
						c.during(a)
					}
					at := time.Now()
					a.stop()
					err := a.result(10 * time.Minute)
					if took := time.Since(at); took > DefaultDrainTimeout+time.Second {
						t.Errorf("Start returned %v after the cancellation", took)
					}
					named := lease.Holder(w.lease()) == "a"
					if named && !errors.Is(err, ErrNotReleased) {
						t.Errorf("Start returned %v, and the Lease names a", err)
					}
					if named == c.released {
						t.Errorf("released: %t, want %t", !named, c.released)
					}
					a.client.Heal()
					time.Sleep(time.Minute)
				})
			})
		}
	}
}

func TestStartReturnsInTimeWhenEverythingHangsAtTheLastMoment(t *testing.T) {
	for name, change := range map[string]func(*Config){"defaults": func(*Config) {}, "patient": patient} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				a := w.candidate("a", change)
				a.atEnd = func(context.Context) { time.Sleep(DefaultDrainTimeout - time.Millisecond) }
				block := make(chan struct{})
				a.announcer = newAnnouncer(func(string) { <-block })
				a.start().leads(time.Second)
				time.Sleep(time.Minute)
				at := time.Now()
				a.stop()
				time.Sleep(DefaultDrainTimeout - 2*time.Millisecond)
				a.ignoring(everything...)
				a.client.CutWatches()
				err := a.result(time.Minute)
				if took := time.Since(at); took > DefaultDrainTimeout+time.Second {
					t.Errorf("Start returned %v after the cancellation", took)
				}
				for _, want := range []error{ErrNotReleased, ErrRequestHung, ErrOnNewLeaderHung} {
					if !errors.Is(err, want) {
						t.Errorf("Start returned %v, want also %v", err, want)
					}
				}
				close(block)
				a.client.Heal()
			})
		})
	}
}

func TestStartSaysThatTheLeaseIsNotReleasedOnlyIfAskedTo(t *testing.T) {
	for _, asked := range []bool{true, false} {
		t.Run(fmt.Sprint(asked), func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				a := w.candidate("a", func(c *Config) { c.ReleaseOnCancel = asked }).start()
				a.leads(time.Second)
				a.client.Fail(errors.New("no"), -1)
				a.stop()
				if err := a.result(time.Minute); errors.Is(err, ErrNotReleased) != asked {
					t.Errorf("Start returned %v", err)
				}
			})
		})
	}
}

func TestAfterALostTermAStoppedCandidateReleasesWhatStillNamesIt(t *testing.T) {
	for name, stop := range map[string]func(*candidate){
		"stopped while the work ends": func(c *candidate) { c.stop(); time.Sleep(time.Second); c.client.Heal() },
		"stopped between terms": func(c *candidate) {
			onWrites(leasetest.Fault{Err: errors.New("no")})(c)
			time.Sleep(3500 * time.Millisecond)
			c.client.Heal()
			c.stop()
		},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				a := w.candidate("a")
				a.atEnd = func(context.Context) { time.Sleep(3 * time.Second) }
				a.start().leads(time.Second)
				b := w.candidate("b").start()
				time.Sleep(time.Minute)
				a.client.Fail(errors.New("no"), -1)
				w.until(time.Minute, "the term is lost", func() bool { return !a.IsLeader() })
				stop(a)
				if err := a.result(10 * time.Second); err != nil {
					t.Error(err)
				}
				b.leads(50 * time.Millisecond)
				w.wantOrder("a stopped", "b started")
			})
		})
	}
}

func TestAStandbyWhoseClaimsAreRefusedStopsAtOnce(t *testing.T) {
	for name, err := range map[string]error{
		"forbidden":    apierrors.NewForbidden(coordinationv1.Resource("leases"), testLease, errors.New("no")),
		"server error": apierrors.NewInternalError(errors.New("no")),
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				a := w.candidate("a")
				onWrites(leasetest.Fault{Err: err})(a)
				a.start()
				time.Sleep(time.Minute)
				at := time.Now()
				a.stop()
				if err := a.result(time.Second); err != nil || time.Since(at) > 50*time.Millisecond {
					t.Errorf("Start returned %v after %v", err, time.Since(at))
				}
			})
		})
	}
}
