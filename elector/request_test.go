// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kube-elector/elector/elector/leasetest"
)

// ignoring makes all requests of these verbs hang, whatever their contexts say, until Heal. It returns a function that
// counts them by verb.
func (c *candidate) ignoring(verbs ...string) (hung func() map[string]int) {
	var mu sync.Mutex // guards n
	n := map[string]int{}
	c.client.Intercept(func(op leasetest.Op) (f leasetest.Fault) {
		if !slices.Contains(verbs, op.Verb) {
			return f
		}
		mu.Lock()
		defer mu.Unlock()
		n[op.Verb]++
		return leasetest.Fault{Hang: true, IgnoreContext: true}
	})
	return func() map[string]int {
		mu.Lock()
		defer mu.Unlock()
		return maps.Clone(n)
	}
}

// everything is every verb that a candidate uses.
var everything = []string{"get", "create", "update", "watch"}

func TestGuarantee12ARequestThatIgnoresItsContextKeepsNothingWaiting(t *testing.T) {
	for name, verbs := range map[string][]string{"updates": {"update"}, "everything": everything} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				a := w.candidate("a")
				log := a.logged(slog.LevelWarn)
				a.start().leads(time.Second)
				time.Sleep(61 * time.Second)
				renewed := w.lastRenewal()
				hung := a.ignoring(verbs...)
				a.client.CutWatches()
				w.until(time.Minute, "the term ends", func() bool { return w.log.count("a stopped") == 1 })
				if after := time.Since(renewed); after > DefaultRenewDeadline+time.Millisecond {
					t.Errorf("ended %v after the last renewal", after)
				}
				time.Sleep(100 * time.Millisecond) // that a request has to return
				synctest.Wait()
				if a.term.Load() != nil {
					t.Error("the term's end waits for a request")
				}
				time.Sleep(time.Hour)
				if len(hung()) == 0 {
					t.Error("no request hangs")
				}
				for verb, n := range hung() {
					if n > 9 { // one may have been on its way
						t.Errorf("%d requests hang to %s, want at most 8", n, verb)
					}
				}
				if !strings.Contains(log.String(), ErrRequestHung.Error()) {
					t.Errorf("not logged:\n%s", log)
				}
				a.client.Heal()
				a.leads(time.Minute)
				time.Sleep(time.Minute)
				if n := w.log.count("a started"); n != 2 {
					t.Errorf("%d terms after all requests have returned, want 2\n%s", n, w.log)
				}
			})
		})
	}
}

func TestGuarantee12StartReturnsAlthoughARequestHangsAndNamesIt(t *testing.T) {
	for name, c := range map[string]struct {
		verbs []string
		named string
		prior func(*candidate)
	}{
		"a renewal":         {[]string{"update"}, "update", func(c *candidate) { c.leads(time.Second) }},
		"everything":        {everything, "", func(c *candidate) { c.leads(time.Second) }},
		"standing by":       {everything, "", func(*candidate) { time.Sleep(time.Minute) }},
		"the first claim":   {[]string{"create"}, "create", func(*candidate) {}},
		"opening the watch": {[]string{"watch"}, "watch", func(*candidate) { time.Sleep(time.Minute) }},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				a := w.candidate("a", func(c *Config) { c.ReleaseOnCancel = false })
				if name != "a renewal" && name != "everything" {
					a.ignoring(c.verbs...)
				}
				a.start()
				c.prior(a)
				a.ignoring(c.verbs...)
				time.Sleep(DefaultRetryPeriod + DefaultRenewDeadline/2) // a renewal hangs now
				at := time.Now()
				a.stop()
				err := a.result(DefaultDrainTimeout + time.Second)
				if !errors.Is(err, ErrRequestHung) || errors.Is(err, ErrDrainTimeout) || !strings.Contains(err.Error(), c.named) {
					t.Errorf("Start returned %v, want ErrRequestHung that names %q", err, c.named)
				}
				t.Logf("%v after %v", err, time.Since(at))
				a.client.Heal()
				time.Sleep(time.Minute)
			})
		})
	}
}

func TestGuarantee12WatchesAndReadsThatHangCostNoTerm(t *testing.T) {
	for _, verb := range []string{"watch", "get"} {
		t.Run(verb, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				a := w.candidate("a").start()
				a.leads(time.Second)
				term, _ := a.Term()
				a.ignoring(verb)
				a.client.CutWatches()
				time.Sleep(time.Hour)
				if term.Remaining() == 0 {
					t.Errorf("the term has ended:\n%s", w.log)
				}
				a.client.Heal()
			})
		})
	}
}

func TestGuarantee12ALateReplyRevivesNothing(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.candidate("a").start()
		a.leads(time.Second)
		b := w.candidate("b").start()
		time.Sleep(time.Minute)
		// Carried out, and answered when nobody waits any more.
		a.client.Intercept(func(op leasetest.Op) leasetest.Fault {
			if op.Verb == "watch" {
				return leasetest.Fault{Hang: true}
			}
			return leasetest.Fault{ReplyDelay: 20 * time.Second, IgnoreContext: true}
		})
		a.client.CutWatches()
		w.until(time.Minute, "b leads", func() bool {
			if a.IsLeader() && b.IsLeader() {
				t.Fatal("two leaders")
			}
			return b.IsLeader()
		})
		for range 600 {
			time.Sleep(100 * time.Millisecond)
			if a.IsLeader() {
				t.Fatal("a leads beside b")
			}
		}
		a.client.Heal()
		time.Sleep(time.Minute)
		if n := w.log.count("a started"); n != 1 {
			t.Errorf("%d terms of a\n%s", n, w.log)
		}
	})
}

func TestGuarantee12AHangingRequestIsNotBlamedOnTheWork(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.candidate("a").start()
		a.leads(time.Second)
		a.atEnd = func(context.Context) { time.Sleep(4 * time.Second) }
		a.ignoring("update")
		time.Sleep(3 * time.Second)
		a.stop()
		err := a.result(DefaultDrainTimeout + time.Second)
		if !errors.Is(err, ErrRequestHung) || errors.Is(err, ErrDrainTimeout) {
			t.Errorf("Start returned %v, want ErrRequestHung alone", err)
		}
		w.wantOrder("a returned", "a stopped")
		a.client.Heal()
	})
}
