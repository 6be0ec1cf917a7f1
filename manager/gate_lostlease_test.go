// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/kube-elector/elector/elector"
)

// What the end of a term means depends on why it ended, on what runs, and on who leads next.
func TestLossEndsTheProcessOnlyWhereSomethingReliesOnThat(t *testing.T) {
	type fate string
	const (
		lives     fate = "lives"
		endsThen  fate = "ends when another replica is seen to lead"
		endsLater fate = "ends when it is elected again and another may have led"
		endsNow   fate = "ends at once"
	)
	controllers := func(t *testing.T, b *bench) { b.controller(t, "c", controller.Options{}, (&counter{}).reconcile) }
	for name, test := range map[string]struct {
		options []Option
		add     func(t *testing.T, b *bench)
		cause   error
		resumed bool
		other   bool
		want    fate
	}{
		"an outage":                            {nil, controllers, elector.ErrLeaseExpired, true, false, lives},
		"an outage, another leads":             {nil, controllers, elector.ErrLeaseExpired, false, true, endsThen},
		"an outage, another led unseen":        {nil, controllers, elector.ErrLeaseExpired, false, false, endsLater},
		"taken over":                           {nil, controllers, elector.ErrTakenOver, false, false, endsNow},
		"deleted":                              {nil, controllers, elector.ErrLeaseDeleted, false, false, endsNow},
		"stepped down":                         {nil, controllers, elector.ErrSteppedDown, false, false, endsNow},
		"re-election, stepped down":            {[]Option{WithReElection()}, controllers, elector.ErrSteppedDown, false, false, lives},
		"re-election, an outage":               {[]Option{WithReElection()}, controllers, elector.ErrLeaseExpired, true, false, lives},
		"re-election, another leads":           {[]Option{WithReElection()}, controllers, elector.ErrLeaseExpired, false, true, lives},
		"re-election, taken over":              {[]Option{WithReElection()}, controllers, elector.ErrTakenOver, false, true, lives},
		"re-election, deleted":                 {[]Option{WithReElection()}, controllers, elector.ErrLeaseDeleted, false, false, lives},
		"a plain runnable, an outage":          {nil, worker, elector.ErrLeaseExpired, true, false, endsNow},
		"a plain runnable, re-election":        {[]Option{WithReElection()}, worker, elector.ErrLeaseExpired, true, false, endsNow},
		"a caller of Elected, an outage":       {nil, func(t *testing.T, b *bench) { controllers(t, b); b.rely("") }, elector.ErrLeaseExpired, true, false, endsNow},
		"functions of each term, taken over":   {nil, eachTerm, elector.ErrTakenOver, false, true, lives},
		"nothing, taken over":                  {nil, func(*testing.T, *bench) {}, elector.ErrTakenOver, false, true, lives},
		"a wrapped controller, an outage":      {nil, wrapped, elector.ErrLeaseExpired, true, false, endsNow},
		"controllers and functions, an outage": {nil, func(t *testing.T, b *bench) { controllers(t, b); eachTerm(t, b) }, elector.ErrLeaseExpired, true, false, lives},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(1, test.options...)
				defer b.cancel()
				test.add(t, b)
				start := begin(b.Start)
				term := b.begin()
				pass(time.Second)
				term.end(test.cause)
				pass(time.Second)
				got := lives
				callbacks := b.Callbacks(elector.Callbacks{})
				if start.returned() {
					got = endsNow
				} else if test.other {
					callbacks.OnNewLeader("another")
					pass(time.Second)
					if start.returned() {
						got = endsThen
					}
				}
				b.resumed = test.resumed
				term = b.begin()
				pass(time.Second)
				if got == lives && start.returned() {
					got = endsLater
				}
				term.end(elector.ErrStopped)
				start.stop()
				err := start.wait()
				if got != test.want {
					t.Errorf("it %s, want: it %s", got, test.want)
				}
				if want := got != lives; errors.Is(err, ErrLeadershipLost) != want || errors.Is(err, test.cause) != want {
					t.Errorf("Start: %v", err)
				}
			})
		})
	}
}

func worker(t *testing.T, b *bench) { mustAdd(t, b, (&journal{}).worker("work", atOnce)) }

func eachTerm(t *testing.T, b *bench) {
	if err := b.EachTerm(func(ctx context.Context) error { <-ctx.Done(); return nil }); err != nil {
		t.Fatal(err)
	}
}

// wrapped adds a controller that cannot be gated.
func wrapped(t *testing.T, b *bench) {
	c, err := controller.NewUnmanaged("wrapped", controller.Options{Reconciler: (&counter{}).asFunc(), SkipNameValidation: ptr.To(true)})
	if err != nil {
		t.Fatal(err)
	}
	mustAdd(t, b, struct{ controller.Controller }{c})
}

// Whoever finds Elected closed in a pause must not believe for long that this replica leads.
func TestElectedCalledInAPauseEndsTheProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(1)
		defer b.cancel()
		b.controller(t, "c", controller.Options{}, (&counter{}).reconcile)
		start := begin(b.Start)
		term := b.begin()
		pass(time.Second)
		term.end(elector.ErrLeaseExpired)
		pass(time.Second)
		if start.returned() {
			t.Fatal("a pause has ended the process")
		}
		b.rely("Elected was called")
		pass(time.Second)
		start.stop()
		if err := start.wait(); !errors.Is(err, ErrLeadershipLost) {
			t.Errorf("Start: %v", err)
		}
	})
}

func TestGateLogsWhatALostLeaseWillDo(t *testing.T) {
	for want, add := range map[string]func(t *testing.T, b *bench){
		"a lost lease pauses this process, and ends it when another replica has led": func(t *testing.T, b *bench) {
			b.controller(t, "c", controller.Options{}, (&counter{}).reconcile)
		},
		"a lost lease ends this process":         worker,
		"a lost lease does not end this process": eachTerm,
	} {
		synctest.Test(t, func(t *testing.T) {
			var buffer logged
			b := newBench(0)
			defer b.cancel()
			b.log = jsonLogger(&buffer)
			add(t, b)
			start := begin(b.Start)
			synctest.Wait()
			term := b.begin() // in which the rule is the same
			synctest.Wait()
			defer term.end(elector.ErrStopped)
			lines := decode(t, buffer.String())
			if len(lines) != 1 || !strings.HasPrefix(fmt.Sprint(lines[0]["msg"]), want) || lines[0]["because"] == nil {
				t.Errorf("logged %v, want %q and why", lines, want)
			}
			start.stop()
			_ = start.wait()
		})
	}
}

func TestFunctionOfEachTermRunsInEveryTerm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		b := newBench(0)
		defer b.cancel()
		if err := b.EachTerm(j.worker("a", atOnce).Start); err != nil {
			t.Fatal(err)
		}
		if err := b.EachTerm(func(context.Context) error { return nil }); err != nil { // which ends no term
			t.Fatal(err)
		}
		start := begin(b.Start)
		for range 2 {
			term := b.begin()
			pass(time.Second)
			term.end(elector.ErrTakenOver)
		}
		j.expect(t, "a runs", "a returns", "a runs", "a returns")
		term := b.begin()
		pass(time.Second)
		if err := b.EachTerm(j.worker("late", atOnce).Start); err != nil {
			t.Fatal(err)
		}
		pass(time.Second)
		if !slices.Contains(j.lines, "late runs") {
			t.Error("a function added in a term does not run in it")
		}
		broken := errors.New("broken")
		if err := b.EachTerm(func(context.Context) error { return broken }); err != nil {
			t.Fatal(err)
		}
		if err := start.wait(); err != broken {
			t.Errorf("Start: %v, want the function's own error", err)
		}
		term.end(elector.ErrStopped)
		if err := b.EachTerm(func(context.Context) error { return nil }); !errors.Is(err, ErrStopped) {
			t.Errorf("EachTerm after the end: %v", err)
		}
		if err := b.EachTerm(nil); err == nil {
			t.Error("EachTerm(nil): no error")
		}
	})
}

var _ manager.Runnable = struct{ controller.Controller }{}
