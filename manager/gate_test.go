// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/kube-elector/elector/elector"
)

// journal is what happened, in order.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) add(line string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, line)
}

func (j *journal) expect(t *testing.T, want ...string) {
	t.Helper()
	j.mu.Lock()
	defer j.mu.Unlock()
	if !slices.Equal(j.lines, want) {
		t.Fatalf("happened: %q\n    want: %q", j.lines, want)
	}
}

// worker returns a runnable that writes down its life and stops when it may.
func (j *journal) worker(name string, mayStop <-chan struct{}) manager.Runnable {
	return manager.RunnableFunc(func(ctx context.Context) error {
		j.add(name + " runs")
		<-ctx.Done()
		if mayStop != nil {
			<-mayStop
		}
		j.add(name + " returns")
		return nil
	})
}

var atOnce = func() <-chan struct{} { c := make(chan struct{}); close(c); return c }()

func mustAdd(t *testing.T, g interface{ Add(manager.Runnable) error }, r manager.Runnable) {
	t.Helper()
	if err := g.Add(r); err != nil {
		t.Fatal(err)
	}
}

func TestGatedWorkRunsWithinTheTermAndIsAwaited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		mayStop := make(chan struct{})
		g := NewGate(quiet)
		mustAdd(t, g, j.worker("work", mayStop))
		start := begin(g.Start)
		synctest.Wait()
		j.expect(t)

		term := beginTerm(g.Callbacks(elector.Callbacks{
			OnStartedLeading: func(context.Context) { time.Sleep(1); j.add("started leading") },
			OnStoppedLeading: func() { j.add("stopped leading") },
		}))
		time.Sleep(2)
		j.expect(t, "work runs", "started leading")

		term.cancel(elector.ErrStopped)
		synctest.Wait()
		j.expect(t, "work runs", "started leading")
		close(mayStop)
		synctest.Wait()
		j.expect(t, "work runs", "started leading", "work returns", "stopped leading")
		start.stop()
		if err := start.wait(); err != nil {
			t.Fatalf("Start returned %v after a clean stop", err)
		}
	})
}

func TestGatedWorkWaitsForTheGateToBeStarted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		g := NewGate(quiet)
		mustAdd(t, g, j.worker("work", atOnce))
		term := beginTerm(g.Callbacks(elector.Callbacks{}))
		synctest.Wait()
		j.expect(t)

		start := begin(g.Start)
		synctest.Wait()
		j.expect(t, "work runs")
		term.end(elector.ErrStopped)
		start.stop()
		if err := start.wait(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestTermOfAGateThatIsNeverStartedEndsInPairs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		g := NewGate(quiet)
		mustAdd(t, g, j.worker("work", atOnce))
		term := beginTerm(g.Callbacks(elector.Callbacks{
			OnStartedLeading: func(context.Context) { j.add("started leading") },
			OnStoppedLeading: func() { j.add("stopped leading") },
		}))
		term.end(elector.ErrLeaseExpired)
		j.expect(t, "started leading", "stopped leading")
	})
}

func TestRunnableAddedDuringATermStartsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		g := NewGate(quiet)
		start := begin(g.Start)
		term := beginTerm(g.Callbacks(elector.Callbacks{}))
		synctest.Wait()
		mustAdd(t, g, j.worker("late work", atOnce))
		synctest.Wait()
		j.expect(t, "late work runs")
		term.end(elector.ErrStopped)
		j.expect(t, "late work runs", "late work returns")
		start.stop()
		if err := start.wait(); err != nil {
			t.Fatal(err)
		}
		if err := g.Add(j.worker("too late", atOnce)); !errors.Is(err, ErrStopped) {
			t.Fatalf("Add after Start has returned: %v, want ErrStopped", err)
		}
	})
}

func TestErrorOfGatedWorkEndsStartAndStopsTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		broken := errors.New("broken")
		fail := make(chan struct{})
		g := NewGate(quiet)
		mustAdd(t, g, j.worker("work", atOnce))
		mustAdd(t, g, manager.RunnableFunc(func(context.Context) error { <-fail; return broken }))
		start := begin(g.Start)
		term := beginTerm(g.Callbacks(elector.Callbacks{}))
		synctest.Wait()
		close(fail)
		if err := start.wait(); err != broken {
			t.Fatalf("Start returned %v, want the runnable's own error", err)
		}
		synctest.Wait()
		j.expect(t, "work runs", "work returns")
		term.end(elector.ErrStopped)
	})
}

func TestErrorOfWorkThatIsStoppingDoesNotEndTheGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGate(quiet)
		mustAdd(t, g, manager.RunnableFunc(func(ctx context.Context) error {
			<-ctx.Done()
			return errors.New("interrupted")
		}))
		start := begin(g.Start)
		term := beginTerm(g.Callbacks(elector.Callbacks{}))
		synctest.Wait()
		term.end(elector.ErrStopped)
		synctest.Wait()
		if start.returned() {
			t.Fatalf("Start returned %v", start.wait())
		}
		start.stop()
		if err := start.wait(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestLossEndsStartOnlyAfterTheWorkHasReturned(t *testing.T) {
	for _, cause := range []error{elector.ErrLeaseExpired, elector.ErrTakenOver, elector.ErrLeaseDeleted, elector.ErrSteppedDown} {
		synctest.Test(t, func(t *testing.T) {
			var j journal
			mayStop := make(chan struct{})
			g := NewGate(quiet)
			mustAdd(t, g, j.worker("work", mayStop))
			start := begin(g.Start)
			callbacks := g.Callbacks(elector.Callbacks{})
			term := beginTerm(callbacks)
			synctest.Wait()
			term.cancel(cause)
			synctest.Wait()
			if start.returned() {
				t.Fatal("Start returned while the work was running")
			}
			close(mayStop)
			if err := start.wait(); !errors.Is(err, ErrLeadershipLost) || !errors.Is(err, cause) {
				t.Fatalf("Start returned %v, want ErrLeadershipLost and %v", err, cause)
			}
			<-term.done
			next := beginTerm(callbacks)
			synctest.Wait()
			next.end(elector.ErrStopped)
			j.expect(t, "work runs", "work returns")
		})
	}
}

func TestLossOfATermWithoutRunnablesIsNoLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		g := NewGate(quiet)
		start := begin(g.Start)
		callbacks := g.Callbacks(elector.Callbacks{})
		term := beginTerm(callbacks)
		synctest.Wait()
		term.end(elector.ErrLeaseExpired)
		mustAdd(t, g, j.worker("work", atOnce))
		term = beginTerm(callbacks)
		synctest.Wait()
		j.expect(t, "work runs")
		term.end(elector.ErrStopped)
		start.stop()
		if err := start.wait(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestWorkThatHangsIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		g := NewGate(quiet)
		mustAdd(t, g, &stubborn{Name: "mule", release: release})
		mustAdd(t, g, (&journal{}).worker("obedient", atOnce))
		start := begin(g.Start)
		term := beginTerm(g.Callbacks(elector.Callbacks{}))
		synctest.Wait()
		term.cancel(elector.ErrStopped)
		synctest.Wait()
		if got, want := g.Running(), []string{`*manager.stubborn "mule"`}; !slices.Equal(got, want) {
			t.Errorf("running: %q, want %q", got, want)
		}
		close(release)
		<-term.done
		if got := g.Running(); len(got) != 0 {
			t.Errorf("running: %q after all has returned", got)
		}
		start.stop()
		if err := start.wait(); err != nil {
			t.Fatal(err)
		}
	})
}

// stubborn does not listen to its context.
type stubborn struct {
	Name    string
	release chan struct{}
}

func (s *stubborn) Start(context.Context) error { <-s.release; return nil }

func TestGateThatIsNotStartedIsComplainedAboutOnce(t *testing.T) {
	for lasts, want := range map[time.Duration]int{patience - 1: 0, time.Hour: 1} {
		synctest.Test(t, func(t *testing.T) {
			var buffer logged
			g := NewGate(jsonLogger(&buffer))
			term := beginTerm(g.Callbacks(elector.Callbacks{}))
			pass(lasts)
			term.end(elector.ErrStopped)
			if lines := decode(t, buffer.String()); len(lines) != want || want > 0 && lines[0]["level"] != "ERROR" {
				t.Errorf("a term of %v: logged %v, want %d ERROR lines", lasts, lines, want)
			}
		})
	}
}
