// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/kube-elector/elector/elector"
)

// setupController is an EachTerm set-up as kubebuilder scaffolds it.
func (j *journal) setupController(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).For(&corev1.ConfigMap{}).Complete(
		reconcile.Func(func(_ context.Context, r reconcile.Request) (reconcile.Result, error) {
			j.add(r.Name)
			return reconcile.Result{}, nil
		}))
}

func TestEachTermsControllersAreWarmWhenTheTermBegins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		setups := 0
		b := newTermBench(1, func(mgr ctrl.Manager) error { setups++; return j.setupController(mgr) })
		start := begin(b.Start)
		pass(time.Second) // for the cache to sync
		for i := range 3 {
			if setups != i+1 {
				t.Fatalf("%d set-ups before term %d", setups, i+1)
			}
			began := time.Now()
			term := b.begin()
			synctest.Wait() // no time passes
			if len(j.lines) != i+1 || time.Since(began) != 0 {
				t.Fatalf("term %d: reconciled %q at once", i+1, j.lines)
			}
			term.end(elector.ErrLeaseExpired)
			synctest.Wait() // the next one is ready without delay
		}
		start.stop()
		if err := start.wait(); err != nil {
			t.Fatal(err)
		}
		b.cancel()
	})
}

func TestNothingLeaksOverTerms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		b := newTermBench(20, j.setupController)
		start := begin(b.Start)
		var flat int
		for i := range 30 {
			pass(time.Second)
			synctest.Wait()
			// The runtime has a few of its own that come and go.
			if got := runtime.NumGoroutine(); i == 0 {
				flat = got
			} else if got > flat+5 {
				t.Fatalf("%d goroutines before term %d, %d before the first", got, i+1, flat)
			}
			term := b.begin()
			synctest.Wait()
			term.end(elector.ErrTakenOver)
		}
		if len(j.lines) != 30*20 {
			t.Errorf("%d reconciles, want 20 in each of 30 terms", len(j.lines))
		}
		start.stop()
		if err := start.wait(); err != nil {
			t.Fatal(err)
		}
		b.cancel()
	})
}

func TestSetupThatFailsAtStartIsStartsError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		broken := errors.New("broken")
		b := newTermBench(1, j.setupController, func(ctrl.Manager) error { return broken })
		start := begin(b.Start)
		term := b.begin()
		if err := start.wait(); !errors.Is(err, broken) {
			t.Fatalf("Start returned %v, want the set-up's error", err)
		}
		term.end(elector.ErrStopped)
		j.expect(t)
		b.cancel()
	})
}

func TestSetupThatFailsLaterStepsDownAndIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		var broken atomic.Bool
		var tries atomic.Int32
		b := newTermBench(1, j.setupController, func(ctrl.Manager) error {
			tries.Add(1)
			if broken.Load() {
				return errors.New("broken")
			}
			return nil
		})
		start := begin(b.Start)
		pass(time.Second)
		term := b.begin()
		synctest.Wait()
		broken.Store(true)
		term.end(elector.ErrLeaseExpired)
		synctest.Wait()
		j.expect(t, "c0")

		<-b.begin().done // nobody ends it from outside
		if b.stepDowns != 1 {
			t.Fatalf("%d StepDowns, want 1", b.stepDowns)
		}
		pass(time.Minute)
		if n := tries.Load(); n < 5 || n > 12 {
			t.Errorf("set up %d times in a minute, want a growing pause between", n)
		}
		j.expect(t, "c0")
		broken.Store(false)
		pass(time.Minute)
		term = b.begin()
		synctest.Wait()
		j.expect(t, "c0", "c0")
		if b.stepDowns != 1 {
			t.Errorf("%d StepDowns, want 1", b.stepDowns)
		}
		term.end(elector.ErrStopped)
		start.stop()
		if err := start.wait(); err != nil {
			t.Fatal(err)
		}
		b.cancel()
	})
}

func TestTermEndsWhileItsSetupIsSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		var slow atomic.Int64
		b := newTermBench(1, func(mgr ctrl.Manager) error { time.Sleep(time.Duration(slow.Load())); return j.setupController(mgr) })
		start := begin(b.Start)
		pass(time.Second)
		slow.Store(int64(time.Minute))
		b.begin().end(elector.ErrLeaseExpired)
		b.begin().end(elector.ErrLeaseExpired)
		if len(j.lines) > 1 {
			t.Fatalf("reconciled %q", j.lines)
		}
		pass(2 * time.Minute)
		before := len(j.lines)
		term := b.begin()
		synctest.Wait()
		if len(j.lines) != before+1 {
			t.Errorf("reconciled %q, want one more than %d", j.lines, before)
		}
		term.end(elector.ErrStopped)
		start.stop()
		if err := start.wait(); err != nil {
			t.Fatal(err)
		}
		b.cancel()
	})
}

func TestRunOnceRunnableBesideEachTermEndsWithTheTerm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		b := newTermBench(0, j.setupController)
		mustAdd(t, b, j.worker("work", atOnce))
		start := begin(b.Start)
		pass(time.Second) // a mutex held while the cache is waited for stops a bubble's time
		term := b.begin()
		synctest.Wait()
		term.end(elector.ErrLeaseExpired)
		if err := start.wait(); !errors.Is(err, ErrLeadershipLost) {
			t.Fatalf("Start returned %v, want ErrLeadershipLost", err)
		}
		b.cancel()
	})
}
