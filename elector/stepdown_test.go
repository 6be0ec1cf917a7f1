// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/kube-elector/elector/elector/internal/lease"
	"github.com/kube-elector/elector/elector/leasetest"
)

func TestStepDownLetsAnotherCandidateWin(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.candidate("a").start()
		a.leads(time.Second)
		b := w.candidate("b").start()
		b.client.Latency(50*time.Millisecond, 50*time.Millisecond) // a would be faster
		time.Sleep(time.Minute)
		if err := a.StepDown(t.Context()); err != nil {
			t.Fatal(err)
		}
		if a.IsLeader() {
			t.Error("still leading after StepDown")
		}
		b.leads(time.Second)
		w.wantOrder("a started", "a cancelled: stepped down", "a returned", "a stopped", "b started")
		b.stop() // and a stands by as before
		a.leads(time.Second)
	})
}

func TestStepDownLeavesTimeForAPlainClientGoCandidate(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.candidate("a").start()
		a.leads(time.Second)
		for range 20 {
			stop := clientGo(t, w.server.Client("plain"), "plain").start(t)
			time.Sleep(10 * time.Second)
			if err := a.StepDown(t.Context()); err != nil {
				t.Fatal(err)
			}
			w.until(yieldPeriods*DefaultRetryPeriod, "the other leads", func() bool { return lease.Holder(w.lease()) == "plain" })
			stop()
			a.leads(time.Minute)
		}
	})
}

func TestStepDownOfTheOnlyCandidateLeadsAgainSoon(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.candidate("a").start()
		a.leads(time.Second)
		if err := a.StepDown(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := a.leads(time.Minute); took != yieldPeriods*DefaultRetryPeriod {
			t.Errorf("leads again after %v, want %v", took, yieldPeriods*DefaultRetryPeriod)
		}
	})
}

func TestStepDownWhenNotLeadingDoesNothing(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, b := w.candidate("a").start(), w.candidate("b")
		if err := b.StepDown(t.Context()); err != nil {
			t.Error("before Start:", err)
		}
		a.leads(time.Second)
		b.start()
		synctest.Wait()
		if err := b.StepDown(t.Context()); err != nil {
			t.Error("on a standby:", err)
		}
		if !a.IsLeader() || w.log.count("a stopped") > 0 {
			t.Error("another's term was ended")
		}
	})
}

func TestConcurrentStepDownsWaitForTheSameEnd(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.candidate("a")
		a.atEnd = func(context.Context) { time.Sleep(3 * time.Second) }
		a.start().leads(time.Second)
		w.candidate("b").start()
		synctest.Wait()
		var calls sync.WaitGroup
		for range 20 {
			calls.Go(func() {
				if err := a.StepDown(t.Context()); err != nil {
					t.Error(err)
				}
				if w.log.count("a stopped") != 1 || lease.Holder(w.lease()) == "a" {
					t.Errorf("returned before the end\n%s", w.log)
				}
			})
		}
		calls.Wait()
	})
}

func TestStepDownEndsItsWaitWithItsContext(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.candidate("a")
		a.atEnd = func(context.Context) { time.Sleep(5 * time.Second) }
		a.start().leads(time.Second)
		why := errors.New("no more patience")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, why)
		defer cancel()
		if err := a.StepDown(ctx); !errors.Is(err, why) {
			t.Errorf("StepDown = %v", err)
		}
		w.until(5*time.Second, "the stepping down goes on", func() bool { return w.log.count("a stopped") == 1 })
	})
}

func TestStepDownFromTheWorkReturnsAtOnceWithTheTermsContext(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.candidate("a")
		a.callbacks.OnStartedLeading = func(ctx context.Context) {
			if err := a.StepDown(ctx); !errors.Is(err, ErrSteppedDown) {
				t.Errorf("StepDown = %v", err)
			}
		}
		a.start()
		w.until(time.Second, "the term ends", func() bool { return w.log.count("a stopped") == 1 })
	})
}

func TestStepDownSaysWhenTheLeaseCouldNotBeReleased(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.candidate("a").start()
		a.leads(time.Second)
		a.client.Fail(apierrors.NewInternalError(errors.New("no")), -1)
		if err := a.StepDown(t.Context()); !errors.Is(err, ErrNotReleased) {
			t.Errorf("StepDown = %v, want ErrNotReleased", err)
		}
	})
}

func TestALeaseThatLapsesWhileTheWorkEndsIsNotReleased(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.candidate("a")
		a.atEnd = func(context.Context) { time.Sleep(12 * time.Second) }
		a.start().leads(time.Second)
		a.client.Partition()
		began := time.Now()
		if err := a.StepDown(t.Context()); !errors.Is(err, ErrNotReleased) {
			t.Errorf("StepDown = %v, want ErrNotReleased", err)
		}
		if took := time.Since(began); took > 12*time.Second+a.config.shortAttempt() {
			t.Errorf("took %v: a lease that has expired is worth one short attempt", took)
		}
	})
}

func TestAReleaseWhoseReplyIsLostCounts(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.candidate("a").start()
		a.leads(time.Second)
		b := w.candidate("b").start()
		synctest.Wait()
		a.client.Intercept(func(op leasetest.Op) leasetest.Fault {
			return leasetest.Fault{LoseReply: op.Lease != nil && lease.Holder(op.Lease) == ""}
		})
		if err := a.StepDown(t.Context()); err != nil {
			t.Errorf("StepDown = %v although the release has landed", err)
		}
		b.leads(0)
	})
}

func TestAReleaseThatMeetsAnEditIsTriedAgain(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.candidate("a").start()
		a.leads(time.Second)
		edited := false
		a.client.Intercept(func(op leasetest.Op) leasetest.Fault {
			if op.Lease != nil && lease.Holder(op.Lease) == "" && !edited {
				edited = true
				w.edit(func(l *leaseObject) { l.Labels = map[string]string{"edited": "yes"} })
			}
			return leasetest.Fault{}
		})
		a.stop()
		if err := a.result(time.Second); err != nil || !edited {
			t.Fatal(err, edited)
		}
		if l := w.lease(); lease.Holder(l) != "" || l.Labels["edited"] != "yes" {
			t.Errorf("holder %q, labels %v: want it released and the edit kept", lease.Holder(l), l.Labels)
		}
	})
}
