// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/utils/ptr"

	"github.com/kube-elector/elector/elector/internal/lease"
)

// onNewLeader sets the callback, before the start.
func (c *candidate) onNewLeader(f func(leader string)) { c.announcer.call = f }

// isHeldBy makes another candidate take the Lease.
func (w *world) isHeldBy(holder string) {
	w.edit(func(l *leaseObject) { l.Spec.HolderIdentity = ptr.To(holder) })
	synctest.Wait()
}

func TestGuarantee4LeadersAreAnnouncedInOrderAndNeverNobody(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var got []string // synctest.Wait orders its uses
		a := w.candidate("a")
		a.onNewLeader(func(leader string) { got = append(got, leader) })
		want := func(leaders ...string) {
			t.Helper()
			synctest.Wait()
			if !slices.Equal(got, leaders) {
				t.Fatalf("announced %q, want %q", got, leaders)
			}
		}
		w.server.Put(foreignLease("x", ptr.To[int32](15)))
		a.start()
		want("x")
		w.isHeldBy("y")
		w.isHeldBy("x")
		want("x", "y", "x")
		w.edit(func(l *leaseObject) { l.Labels = map[string]string{"k": "v"} }) // the leader is the same
		w.server.Delete(testNamespace, testLease)                               // nobody leads
		want("x", "y", "x")
		a.leads(time.Minute)
		want("x", "y", "x", "a")
		w.isHeldBy("") // nobody leads, for no time at all: a new term of the same leader
		want("x", "y", "x", "a", "a")
	})
}

func TestGuarantee4ASlowAnnouncementSkipsToTheLatest(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var got []string
		var running atomic.Int32
		proceed := make(chan struct{})
		b := w.candidate("b")
		b.onNewLeader(func(leader string) {
			if running.Add(1) != 1 {
				t.Error("two calls at once")
			}
			defer running.Add(-1)
			got = append(got, leader)
			<-proceed
		})
		w.candidate("a").start().leads(time.Second)
		b.start()
		synctest.Wait()
		for _, holder := range []string{"u", "v", "w", "x", "y", "z"} {
			w.isHeldBy(holder)
		}
		if want := []string{"a"}; !slices.Equal(got, want) {
			t.Errorf("announced %q while the first call was running, want %q", got, want)
		}
		close(proceed)
		synctest.Wait()
		if want := []string{"a", "z"}; !slices.Equal(got, want) {
			t.Errorf("announced %q, want the latest only: %q", got, want)
		}
	})
}

func TestGuarantee4TheLatestLeaderIsAnnouncedEvenIfItLeadsNoMore(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var got []string
		proceed := make(chan struct{})
		b := w.candidate("b")
		b.onNewLeader(func(leader string) {
			got = append(got, leader)
			<-proceed
		})
		w.server.Put(foreignLease("x", ptr.To[int32](15)))
		b.start()
		synctest.Wait()
		w.isHeldBy("y")
		w.server.Delete(testNamespace, testLease)
		synctest.Wait()
		close(proceed)
		synctest.Wait()
		if want := []string{"x", "y"}; !slices.Equal(got, want) {
			t.Errorf("announced %q, want %q", got, want)
		}
	})
}

func TestABlockedAnnouncementHoldsUpTheEndForDrainTimeoutOnly(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		hang := make(chan struct{})
		a := w.candidate("a", func(c *Config) { c.DrainTimeout = 5 * time.Second })
		a.onNewLeader(func(string) { <-hang })
		a.start().leads(time.Second)
		time.Sleep(5 * time.Minute) // it keeps nothing else from going on
		if !a.IsLeader() {
			t.Error("the term has ended")
		}
		a.stop()
		stopped := time.Now()
		err := a.result(time.Minute)
		if took := time.Since(stopped); !errors.Is(err, ErrOnNewLeaderHung) || errors.Is(err, ErrDrainTimeout) || took != 5*time.Second {
			t.Errorf("Start returned %v after %v, want ErrOnNewLeaderHung alone after DrainTimeout", err, took)
		}
		if a.Healthz(nil) == nil {
			t.Error("healthy with a callback that hangs")
		}
		if lease.Holder(w.lease()) != "" {
			t.Error("the Lease was not released, though the leader's work has ended")
		}
		close(hang)
		synctest.Wait()
	})
}

func TestAnAnnouncementMayUseTheElector(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.candidate("a")
		calls := 0
		a.onNewLeader(func(leader string) {
			calls++
			if got := a.GetLeader(); got != leader {
				t.Errorf("GetLeader says %q when told of %q", got, leader)
			}
			if _, ok := a.Term(); !ok || !a.IsLeader() || a.Remaining() <= 0 {
				t.Error("told of itself, but not leading")
			}
			if calls > 1 {
				return
			}
			if err := a.StepDown(t.Context()); err != nil {
				t.Error(err)
			}
			if a.IsLeader() || lease.Holder(w.lease()) == "a" {
				t.Error("leads after StepDown")
			}
		})
		a.start()
		w.until(time.Second, "it has stepped down", func() bool { return w.log.count("a stopped") == 1 })
		a.leads(time.Minute)
		synctest.Wait()
		if calls != 2 {
			t.Errorf("%d calls, want one for each term\n%s", calls, w.log)
		}
	})
}

func TestAPanicOfAnAnnouncementIsPassedOnAfterAnEndInOrder(t *testing.T) {
	for name, leads := range map[string]bool{"standby": false, "leader": true} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				if !leads {
					w.server.Put(foreignLease("x", ptr.To[int32](15)))
				}
				a := w.candidate("a")
				a.atEnd = func(context.Context) { time.Sleep(time.Second) }
				a.onNewLeader(func(string) {
					time.Sleep(time.Second)
					panic(fmt.Errorf("boom: %w", io.ErrUnexpectedEOF))
				})
				var recovered any
				func() {
					defer func() { recovered = recover() }()
					t.Error("Start returned", a.Start(t.Context()))
				}()
				err, ok := recovered.(error)
				if !ok || !errors.Is(err, io.ErrUnexpectedEOF) || !strings.Contains(err.Error(), "OnNewLeader: boom") {
					t.Errorf("recovered %v, want an error that wraps the one that was thrown", recovered)
				}
				if leads {
					w.wantOrder("a started", "a returned", "a stopped")
				}
				if got := lease.Holder(w.lease()); got != "" && got != "x" {
					t.Errorf("the Lease is held by %q", got)
				}
				if err := a.Healthz(nil); !errors.Is(err, errPanicked) {
					t.Errorf("Healthz: %v", err)
				}
			})
		})
	}
}

func TestAnAnnouncementThatEndsItsGoroutineEndsStart(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.candidate("a")
		a.onNewLeader(func(string) { runtime.Goexit() })
		a.start()
		if err := a.result(time.Second); err == nil || !strings.Contains(err.Error(), "OnNewLeader ended its goroutine") {
			t.Errorf("Start: %v", err)
		}
	})
}
