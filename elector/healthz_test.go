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
)

// healthy fails the test unless the candidate is.
func (c *candidate) healthy(when string) {
	c.w.t.Helper()
	if err := c.Healthz(nil); err != nil {
		c.w.t.Errorf("%s, %s: %v", c.id, when, err)
	}
}

func TestWhoeverDoesWhatItShouldIsHealthy(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, b := w.candidate("a"), w.candidate("b")
		a.atEnd = func(context.Context) { time.Sleep(4 * time.Second) }
		a.healthy("before Start")
		a.start().leads(time.Second)
		b.start()
		synctest.Wait()
		a.healthy("leading")
		b.healthy("standing by")

		for _, c := range []*candidate{a, b} {
			c.client.Partition()
		}
		w.until(time.Minute, "a's term ends", func() bool { return !a.IsLeader() })
		a.healthy("without the API server, just lost")
		w.until(time.Minute, "a's work has ended", func() bool { return w.log.count("a stopped") == 1 })
		time.Sleep(time.Hour)
		a.healthy("without the API server")
		b.healthy("without the API server")

		a.client.Heal()
		a.leads(time.Minute)
		a.stop()
		for w.log.count("a stopped") < 2 { // the Lease is renewed meanwhile
			time.Sleep(time.Second)
			synctest.Wait()
			a.healthy("draining")
		}
		if err := a.result(time.Second); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		a.healthy("after a clean stop")
	})
}

func TestALeaderWithoutAnElectionStaysHealthy(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.candidate("a", func(c *Config) { c.Enabled = false }).start()
		a.leads(time.Second)
		time.Sleep(time.Hour) // without a renewal
		a.healthy("leading")
	})
}

func TestALostTermsWorkIsUnhealthyBeforeAnotherMayLead(t *testing.T) {
	for name, lose := range map[string]func(*world, *candidate){
		"expired": func(_ *world, c *candidate) { c.client.Partition() },
		"deleted": func(w *world, _ *candidate) { w.server.Delete(testNamespace, testLease) },
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				a := w.candidate("a")
				a.atEnd = func(context.Context) { time.Sleep(25 * time.Second) }
				a.start().leads(time.Second)
				time.Sleep(time.Minute)
				renewed := w.lastRenewal()
				lose(w, a)
				time.Sleep(DefaultLeaseDuration - DefaultRenewDeadline - 100*time.Millisecond)
				a.healthy("while the work may still end in time")
				time.Sleep(time.Until(renewed.Add(DefaultLeaseDuration)))
				if err := a.Healthz(nil); !errors.Is(err, ErrDrainTimeout) {
					t.Errorf("got %v while another may lead", err)
				}
				time.Sleep(time.Minute)
			})
		})
	}
}

// A process that was stopped has not come to end its term yet.
func TestALostTermIsUnhealthyFromWhenAnotherMayLead(t *testing.T) {
	e := &Elector{config: testConfig("a")}
	e.config.setDurations()
	for since, healthy := range map[time.Duration]bool{9 * time.Second: true, 14 * time.Second: true, 16 * time.Second: false} {
		e.term.Store(asleep(t, since, since))
		if err := e.Healthz(nil); (err == nil) != healthy || err != nil && !strings.Contains(err.Error(), "work is still running") {
			t.Errorf("%v after the last renewal: %v", since, err)
		}
	}
}

func TestWhoeverHasEndedBadlyIsUnhealthyForGood(t *testing.T) {
	t.Run("ErrDrainTimeout", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			a := w.candidate("a")
			hang := make(chan struct{})
			a.atEnd = func(context.Context) { <-hang }
			a.start().leads(time.Second)
			a.stop()
			if err := a.result(time.Minute); !errors.Is(err, ErrDrainTimeout) {
				t.Fatal(err)
			}
			if err := a.Healthz(nil); !errors.Is(err, ErrDrainTimeout) {
				t.Errorf("got %v", err)
			}
			close(hang)
			time.Sleep(time.Hour)
			if err := a.Healthz(nil); !errors.Is(err, ErrDrainTimeout) {
				t.Errorf("later: got %v", err)
			}
		})
	})
	t.Run("a panic", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			a := w.candidate("a")
			a.callbacks.OnStartedLeading = func(context.Context) { panic("boom") }
			func() {
				defer func() {
					if v := recover(); v == nil {
						t.Error("the panic was swallowed")
					}
				}()
				t.Error("Start returned", a.Start(t.Context()))
			}()
			for _, later := range []time.Duration{0, time.Hour} {
				time.Sleep(later)
				if err := a.Healthz(nil); !errors.Is(err, errPanicked) {
					t.Errorf("got %v", err)
				}
			}
		})
	})
}
