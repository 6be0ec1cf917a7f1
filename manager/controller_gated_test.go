// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/kube-elector/elector/elector"
)

func TestContextOfARequestIsTheControllersWithinTheTenure(t *testing.T) {
	type key string
	lost := errors.New("lost")
	tenure, end := context.WithCancelCause(context.WithValue(context.WithValue(t.Context(), key("term"), 1), key("both"), "tenure's"))
	controllers := context.WithValue(t.Context(), listenersKey{}, &listeners{}) // for the handlers of its own sources
	request := context.WithValue(context.WithValue(controllers, key("id"), 2), key("both"), "request's")
	ctx, cancel := requestContext(request, tenure)
	defer cancel()
	if got := fmt.Sprintln(ctx.Value(key("term")), ctx.Value(key("id")), ctx.Value(key("both")), ctx.Value(key("none"))); got != "1 2 request's <nil>\n" {
		t.Errorf("values: %s", got)
	}
	if ctx.Value(listenersKey{}) != nil {
		t.Error("handlers that Reconcile adds would replay")
	}
	timed, cancelTimed := context.WithTimeout(request, time.Hour)
	defer cancelTimed()
	bounded, cancelBounded := requestContext(timed, tenure)
	defer cancelBounded()
	if at, ok := bounded.Deadline(); !ok || time.Until(at) < 59*time.Minute {
		t.Errorf("deadline: %v, %v", at, ok)
	}
	child, cancelChild := context.WithCancel(ctx)
	defer cancelChild()
	end(lost)
	for name, c := range map[string]context.Context{"it": ctx, "its child": child, "one with a deadline": bounded} {
		<-c.Done()
		if c.Err() != context.Canceled || context.Cause(c) != lost {
			t.Errorf("%s ended with %v, %v", name, c.Err(), context.Cause(c))
		}
	}
}

func TestRequestTimeoutBoundsOneRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(1)
		defer b.cancel()
		var got []error
		b.controller(t, "c", controller.Options{ReconciliationTimeout: time.Minute}, func(ctx context.Context, _ reconcile.Request) (reconcile.Result, error) {
			<-ctx.Done()
			got = append(got, ctx.Err())
			return reconcile.Result{}, nil
		})
		start := begin(b.Start)
		term := b.begin()
		pass(time.Hour)
		if len(got) != 1 || !errors.Is(got[0], context.DeadlineExceeded) {
			t.Errorf("the requests' contexts ended with %v", got)
		}
		term.end(elector.ErrStopped)
		start.stop()
		if err := start.wait(); err != nil {
			t.Error(err)
		}
	})
}

// The time of a request may be up before it begins, in a process that was frozen. Its reconciler says what that means.
func TestRequestBeginsOnlyWhileItsTenureLasts(t *testing.T) {
	for _, over := range []bool{false, true} {
		began := false
		g := &gated[string]{
			tenures: newTenures(), makeQueue: defaultQueue(controller.TypedOptions[string]{}),
			reconciler: reconcile.TypedFunc[string](func(context.Context, string) (reconcile.Result, error) {
				began = true
				return reconcile.Result{}, nil
			}),
		}
		q := g.newQueue("", workqueue.DefaultTypedControllerRateLimiter[string]())
		tenure := newTenure(t.Context(), everything)
		g.tenures.open(tenure)
		q.Add("key")
		key, _ := q.Get()
		if over {
			tenure.cancel(elector.ErrLeaseExpired)
		}
		late, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
		_, err := g.Reconcile(late, key)
		cancel()
		if err != nil {
			t.Error(err)
		}
		if began == over {
			t.Errorf("the tenure is over: %v, the request began: %v", over, began)
		}
		q.Done(key)
		q.ShutDown()
	}
}

// A request that was cut short is neither a success nor a failure, in the back-off and in the metrics.
func TestRequestThatIsCutShortCountsAsNeitherSuccessNorFailure(t *testing.T) {
	for outcome, err := range map[string]error{"nothing": nil, "an error": errors.New("cut short")} {
		run(t, 1, nil, func(t *testing.T, b *bench, o controller.Options, start *begun) {
			const failures = 11 // after which the back-off is 5 s
			name := fmt.Sprintf("returns %s, %s", outcome, t.Name())
			attempts := 0
			b.controller(t, name, o, func(ctx context.Context, _ reconcile.Request) (reconcile.Result, error) {
				if attempts++; attempts == failures+1 {
					<-ctx.Done()
					return reconcile.Result{}, err
				}
				return reconcile.Result{}, errors.New("failed")
			})
			term := b.begin()
			pass(20 * time.Second)
			term.end(elector.ErrLeaseExpired)
			if n := measured(t, "controller_runtime_reconcile_errors_total", name); attempts != failures+1 || n != failures {
				t.Errorf("%v errors of %d attempts are counted", n, attempts)
			}
			b.resumed = true
			term = b.begin()
			pass(time.Second)
			if attempts != failures+2 {
				t.Errorf("%d attempts in the first second after the pause: the back-off is forgotten", attempts-failures-1)
			}
			term.end(elector.ErrStopped)
		})
	}
}
