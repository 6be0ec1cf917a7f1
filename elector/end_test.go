// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"

	"github.com/kube-elector/elector/elector/internal/lease"
	"github.com/kube-elector/elector/elector/leasetest"
)

func TestGuarantee5TheLeaseIsRenewedWhileTheWorkEndsAndReleasedAfter(t *testing.T) {
	for name, end := range map[string]func(*candidate){
		"Start's context cancelled": func(c *candidate) { c.stop() },
		"StepDown":                  func(c *candidate) { go c.StepDown(c.w.t.Context()) }, //nolint:errcheck // watched from outside
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				a := w.candidate("a")
				a.atEnd = func(context.Context) { time.Sleep(25 * time.Second) } // longer than LeaseDuration
				a.start().leads(time.Second)
				b := w.candidate("b").start()
				synctest.Wait()
				end(a)
				for range 24 {
					time.Sleep(time.Second)
					synctest.Wait()
					if lease.Holder(w.lease()) != "a" || b.IsLeader() || !a.IsLeader() {
						t.Fatalf("not held while the work ends: held by %q\n%s", lease.Holder(w.lease()), w.log)
					}
				}
				b.leads(2 * time.Second)
				w.wantOrder("a started", "a returned", "a stopped", "b started")
				if at, _ := w.log.at("a returned"); w.lease().Spec.AcquireTime.Sub(w.log.start) < at {
					t.Error("b acquired the lease before a's work had returned")
				}
			})
		})
	}
}

func TestGuarantee5WorkThatOutlastsDrainTimeoutIsNotReleased(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.candidate("a", func(c *Config) { c.DrainTimeout = 20 * time.Second })
		hang := make(chan struct{})
		a.atEnd = func(context.Context) { <-hang }
		a.start().leads(time.Second)
		b := w.candidate("b").start()
		time.Sleep(10 * time.Second)
		a.stop()
		if err := a.result(21 * time.Second); !errors.Is(err, ErrDrainTimeout) {
			t.Errorf("Start returned %v, want ErrDrainTimeout", err)
		}
		if a.IsLeader() || a.Healthz(nil) == nil {
			t.Error("leads, or is healthy, after Start has given up on its work")
		}
		renewed := w.lastRenewal()
		if lease.Holder(w.lease()) != "a" {
			t.Error("released although the work is running")
		}
		b.leads(time.Minute)
		if after := time.Since(renewed); after < DefaultLeaseDuration {
			t.Errorf("b leads %v after the last renewal", after)
		}
		if w.log.count("a stopped") != 0 {
			t.Error("OnStoppedLeading before OnStartedLeading had returned")
		}
		close(hang)
		synctest.Wait()
	})
}

func TestWithoutReleaseOnCancelTheLeaseIsLeftToLapse(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.candidate("a", func(c *Config) { c.ReleaseOnCancel = false }).start()
		a.leads(time.Second)
		a.stop()
		if err := a.result(time.Second); err != nil {
			t.Error(err)
		}
		if lease.Holder(w.lease()) != "a" {
			t.Error("released all the same")
		}
	})
}

func TestGuarantee5OnlyTheHolderReleases(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.candidate("a").start()
		a.leads(time.Second)
		b := w.candidate("b").start()
		synctest.Wait()
		var foreign []string
		w.server.OnWrite(func(write leasetest.Write) {
			if write.Client == "a" && write.Old != nil && lease.Holder(write.Old) != "a" && lease.Holder(write.Old) != "" {
				foreign = append(foreign, fmt.Sprintf("%s overwrote %s's record", write.Client, lease.Holder(write.Old)))
			}
		})
		// Partitioned when it stops, healed when another leads: client-go's fact 1.
		a.crash()
		a.stop()
		b.leads(time.Minute)
		a.client.Heal()
		time.Sleep(time.Minute)
		if len(foreign) > 0 || !b.IsLeader() {
			t.Errorf("b leads: %t; %v", b.IsLeader(), foreign)
		}
	})
}

func TestGuarantee4ATermCancelledRightAfterTheWinHasNoUnpairedCallback(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		started := 0
		for i := range 500 {
			a := w.candidate("a")
			running, calls, begun := false, 0, started
			a.callbacks.OnStartedLeading = func(ctx context.Context) {
				if running {
					t.Error("two terms at once")
				}
				running = true
				started++
				calls++
				<-ctx.Done()
			}
			a.callbacks.OnStoppedLeading = func() {
				if !running {
					t.Error("OnStoppedLeading without OnStartedLeading")
				}
				running = false
				calls--
			}
			ctx, cancel := context.WithCancel(t.Context())
			// Cancelled from within the winning write, before its reply, after it, or a moment later.
			switch i % 4 {
			case 0:
				a.client.Intercept(func(op leasetest.Op) leasetest.Fault {
					if op.Verb == "create" || op.Verb == "update" {
						cancel()
					}
					return leasetest.Fault{ReplyDelay: time.Millisecond}
				})
			case 1:
				w.server.OnWrite(func(leasetest.Write) { cancel() })
			default:
				go func() {
					time.Sleep(time.Duration(rand.IntN(8)) * time.Microsecond)
					runtime.Gosched()
					cancel()
				}()
				a.client.Latency(0, time.Microsecond)
			}
			if err := a.Start(ctx); err != nil {
				t.Fatal(err)
			}
			cancel()
			if running || calls != 0 {
				t.Fatalf("run %d: Start returned with a term unfinished", i)
			}
			if i%4 < 2 && started > begun {
				t.Fatalf("run %d: OnStartedLeading was called after the cancellation", i)
			}
			if l := w.lease(); lease.Holder(l) != "" {
				t.Fatalf("run %d: the lease is still held by %q", i, lease.Holder(l))
			}
			a.client.Heal()
			w.server = leasetest.NewServer()
		}
		t.Logf("%d terms had begun", started)
		if started == 0 {
			t.Error("no run got as far as a term")
		}
	})
}

func TestAPanicOfTheWorkIsPassedOnAndEndsTheRenewing(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.candidate("a")
		a.callbacks.OnStartedLeading = func(context.Context) {
			time.Sleep(5 * time.Second)
			panic(fmt.Errorf("boom: %w", io.ErrUnexpectedEOF))
		}
		recovered := make(chan any, 1)
		go func() {
			defer func() { recovered <- recover() }()
			t.Error("Start returned", a.Start(t.Context()))
		}()
		v := <-recovered
		err, ok := v.(error)
		if !ok || !errors.Is(err, io.ErrUnexpectedEOF) || !strings.Contains(err.Error(), "OnStartedLeading: boom") {
			t.Errorf("recovered %v, want an error that wraps the one that was thrown", v)
		}
		version := w.lease().ResourceVersion
		time.Sleep(time.Minute)
		if l := w.lease(); l.ResourceVersion != version || lease.Holder(l) != "a" {
			t.Errorf("the lease of a panicked leader was written to: holder %q", lease.Holder(l))
		}
		if a.IsLeader() || a.Healthz(nil) == nil || w.log.count("a stopped") != 0 {
			t.Error("leads, is healthy, or has called OnStoppedLeading after a panic")
		}
	})
}

func TestAnEarlyReturnOfTheWorkLeadsOn(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.candidate("a")
		a.callbacks.OnStartedLeading = func(context.Context) { w.log.add("early") }
		a.start().leads(time.Second)
		time.Sleep(time.Hour)
		if !a.IsLeader() || w.log.count("a stopped") != 0 {
			t.Errorf("an early return ended the term\n%s", w.log)
		}
		a.stop()
		if err := a.result(time.Second); err != nil {
			t.Error(err)
		}
		w.wantOrder("early", "a stopped")
	})
}

func TestGuarantee6LosingTheLeaseDoesNotEndTheCandidate(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.candidate("a").start()
		a.leads(time.Second)
		goroutines := runtime.NumGoroutine()
		const terms = 1000
		for i := range terms {
			time.Sleep(time.Duration(i%50) * 300 * time.Millisecond)
			if i%2 == 0 {
				w.edit(func(l *coordinationv1.Lease) { l.Spec.HolderIdentity = nil })
			} else {
				w.server.Delete(testNamespace, testLease)
			}
			synctest.Wait()
			a.leads(time.Minute)
		}
		if n := w.log.count("a stopped"); n != terms || w.log.count("a started") != terms+1 {
			t.Errorf("%d terms ended of %d, want %d", n, w.log.count("a started"), terms)
		}
		if n := runtime.NumGoroutine(); n > goroutines+terms/10 { // Go's own come and go
			t.Errorf("%d goroutines after %d terms, %d before", n, terms, goroutines)
		}
	})
}

func TestStartCanBeCalledOnce(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.candidate("a").start()
		a.leads(time.Second)
		if err := a.Start(t.Context()); !errors.Is(err, ErrAlreadyStarted) {
			t.Errorf("second Start: %v", err)
		}
	})
}

func TestNotEnabledLeadsWithoutALease(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.candidate("a", func(c *Config) { c.Enabled = false; c.LeaseName = "" }).start()
		a.leads(time.Second)
		time.Sleep(time.Hour)
		if err := a.StepDown(t.Context()); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("StepDown: %v", err)
		}
		a.stop()
		if err := a.result(time.Second); err != nil {
			t.Error(err)
		}
		w.wantOrder("a started", "a cancelled: elector stopped", "a returned", "a stopped")
		if n := w.server.Requests("a", ""); n > 0 {
			t.Errorf("%d requests", n)
		}
	})
}
