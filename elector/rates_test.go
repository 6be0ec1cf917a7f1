// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/kube-elector/elector/elector/internal/lease"
	"github.com/kube-elector/elector/elector/leasetest"
)

// lastingFaults are the answers that an API server, or what is on the way to it, can give for hours.
var lastingFaults = map[string]leasetest.Fault{
	"401":        {Err: apierrors.NewUnauthorized("no")},
	"403":        {Err: apierrors.NewForbidden(coordinationv1.Resource("leases"), testLease, errors.New("no"))},
	"404":        {Err: apierrors.NewNotFound(coordinationv1.Resource("leases"), testLease)},
	"409":        {Err: apierrors.NewConflict(coordinationv1.Resource("leases"), testLease, errors.New("no"))},
	"exists":     {Err: apierrors.NewAlreadyExists(coordinationv1.Resource("leases"), testLease)},
	"410":        {Err: apierrors.NewResourceExpired("no")},
	"422":        {Err: apierrors.NewInvalid(coordinationv1.SchemeGroupVersion.WithKind("Lease").GroupKind(), testLease, nil)},
	"429":        {Err: apierrors.NewTooManyRequests("no", 1)},
	"500":        {Err: apierrors.NewInternalError(errors.New("no"))},
	"503":        {Err: apierrors.NewServiceUnavailable("no")},
	"504":        {Err: apierrors.NewTimeoutError("no", 1)},
	"connection": {Err: syscall.ECONNREFUSED},
	"hangs":      {Hang: true},
	"slow":       {Err: apierrors.NewInternalError(errors.New("no")), ReplyDelay: 4900 * time.Millisecond},
	"no reply":   {LoseReply: true},
}

// faultySets are the kinds of requests that meet a fault.
var faultySets = []string{"watch", "get", "write", "watch get write", "watch get", "get write", "watch write"}

// on returns an interceptor that gives the fault to those kinds of requests.
func (f faultOn) intercept(op leasetest.Op) leasetest.Fault {
	kind := op.Verb
	if op.Lease != nil {
		kind = "write"
	}
	if slices.Contains(strings.Fields(f.verbs), kind) {
		return f.fault
	}
	return leasetest.Fault{}
}

type faultOn struct {
	verbs string
	fault leasetest.Fault
}

// eachLastingFault runs test for every fault, set of requests and role of the candidate that meets it.
func eachLastingFault(t *testing.T, test func(t *testing.T, w *world, role string, name string, fault faultOn)) {
	for name, fault := range lastingFaults {
		for _, verbs := range faultySets {
			for _, role := range []string{"standby", "leader", "alone", "heir"} {
				t.Run(fmt.Sprintf("%s/%s/%s", role, name, verbs), func(t *testing.T) {
					inWorld(t, func(t *testing.T, w *world) { test(t, w, role, name, faultOn{verbs, fault}) })
				})
			}
		}
	}
}

// underFault starts a candidate that is a standby beside a healthy leader, leads, or is alone when the fault begins. An
// heir is a standby whose leader crashes then. It returns that leader and the candidate.
func (w *world) underFault(role string, fault faultOn) (a, b *candidate, log *memoryLog) {
	a = w.candidate("a").start()
	a.leads(time.Second)
	b, log = w.talking("b", slog.LevelInfo)
	if role == "leader" || role == "alone" {
		a.stop()
		time.Sleep(time.Second)
	}
	if role == "alone" {
		b.client.Intercept(fault.intercept)
	}
	b.start()
	time.Sleep(10*time.Second + DefaultRetryPeriod/4) // an heir has seen the last renewal
	if role != "alone" {
		b.client.Intercept(fault.intercept)
		b.client.CutWatches()
	}
	if role == "heir" {
		a.crash()
	}
	return a, b, log
}

func TestGuarantee9ALastingFaultIsMetAtAModestRate(t *testing.T) {
	eachLastingFault(t, func(t *testing.T, w *world, role, name string, fault faultOn) {
		_, b, log := w.underFault(role, fault)
		time.Sleep(time.Minute)
		limit := 20
		switch {
		case b.IsLeader():
			limit = 32
		case name == "403" && fault.verbs == "watch get write":
			limit = 4
		}
		before := len(log.lines(t))
		w.server.ResetRequests()
		const minutes = 5
		time.Sleep(minutes * time.Minute)
		n := func(verb string) float64 { return float64(w.server.Requests("b", verb)) / minutes }
		if w.server.Requests("b", "") > limit*minutes+1 { // A window of n periods can hold n+1 renewals.
			t.Errorf("%.1f gets, %.1f watches, %.1f writes, %.1f in all in a minute, want %d", n("get"), n("watch"), n("create")+n("update"), n(""), limit)
		}
		if lines := len(log.lines(t)) - before; lines > 10*minutes {
			t.Errorf("%d lines in %d minutes", lines, minutes)
		}
	})
}

func TestGuarantee9ServiceIsNormalHalfAMinuteAfterALastingFault(t *testing.T) {
	eachLastingFault(t, func(t *testing.T, w *world, role, name string, fault faultOn) {
		a, b, _ := w.underFault(role, fault)
		time.Sleep(5 * time.Minute)
		b.client.Heal()
		time.Sleep(longestSlow + lease.FirstPause + 30*time.Millisecond) // a new watch is listened to before a read and a claim
		if role == "heir" && name == "404" {
			time.Sleep(DefaultLeaseDuration) // What was gone and is there again may be a copy of an older Lease.
		}
		if role == "standby" {
			a.stop()
			if took := b.leads(time.Second); took > 50*time.Millisecond {
				t.Errorf("claimed %v after the release", took)
			}
			return
		}
		if !b.IsLeader() {
			t.Fatalf("does not lead\n%s", w.log)
		}
		time.Sleep(longestSlow / 10) // a leader opens its watch less often
		term, _ := b.Term()
		w.isHeldBy("x")
		if term.Remaining() > 0 {
			t.Errorf("the watch did not end the term")
		}
	})
}

func TestAWatchThatIsCutAgainAndAgainCostsAModestRate(t *testing.T) {
	for _, every := range []time.Duration{time.Millisecond, 2100 * time.Millisecond, 10 * time.Second, 29 * time.Second, 45 * time.Second} {
		t.Run(every.String(), func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				a := w.candidate("a").start()
				a.leads(time.Second)
				b := w.candidate("b").start()
				const minutes = 5
				for start := time.Now(); time.Since(start) < (minutes+1)*time.Minute; time.Sleep(every) {
					if since := time.Since(start); since > time.Minute && since <= time.Minute+every {
						w.server.ResetRequests()
					}
					a.client.CutWatches()
					b.client.CutWatches()
				}
				for c, limit := range map[*candidate]int{a: 32, b: 20} {
					if n := w.server.Requests(c.id, ""); n > limit*minutes {
						t.Errorf("%s: %d gets, %d watches, %d writes in %d minutes, want %d a minute at most", c.id,
							w.server.Requests(c.id, "get"), w.server.Requests(c.id, "watch"), w.server.Requests(c.id, "update"), minutes, limit)
					}
				}
				b.client.CutWatches()
				a.stop()
				if took := b.leads(time.Minute); took > DefaultRetryPeriod*7/4 {
					t.Errorf("claimed %v after the release", took)
				}
			})
		})
	}
}

func TestAStandbyObeysRetryAfter(t *testing.T) {
	for name, verbs := range map[string]string{"reads": "watch get", "claims": "write", "everything": "watch get write"} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				const after = 17 // seconds
				a := w.candidate("a").start()
				a.leads(time.Second)
				b := w.candidate("b").start()
				time.Sleep(time.Minute)
				var mu sync.Mutex // guards refused
				refused := map[string]time.Time{}
				b.client.Intercept(func(op leasetest.Op) leasetest.Fault {
					f := faultOn{verbs, leasetest.Fault{Err: apierrors.NewTooManyRequests("later", after)}}.intercept(op)
					mu.Lock()
					defer mu.Unlock()
					if f.Err != nil {
						if last, again := refused[op.Verb]; again && time.Since(last) < after*time.Second {
							t.Errorf("another %s after %v", op.Verb, time.Since(last))
						}
						refused[op.Verb] = time.Now()
					}
					return f
				})
				b.client.CutWatches()
				time.Sleep(time.Minute)
				a.stop()
				time.Sleep(5 * time.Minute)
				mu.Lock()
				defer mu.Unlock()
				if len(refused) == 0 {
					t.Error("nothing was refused")
				}
			})
		})
	}
}

// Each claim is said to have lost a race, and no winner is ever seen. One would be respected for LeaseDuration.
func TestRacesThatNobodyWinsCostNoMoreThanAWinnerDoes(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.candidate("a")
		a.client.Intercept(faultOn{"write", lastingFaults["exists"]}.intercept)
		a.start()
		time.Sleep(2 * time.Minute)
		w.server.ResetRequests()
		const minutes = 5
		time.Sleep(minutes * time.Minute)
		if n := w.server.Requests("a", ""); n == 0 || n > 10*minutes {
			t.Errorf("%d gets and %d creates in %d minutes, want 10 a minute at most",
				w.server.Requests("a", "get"), w.server.Requests("a", "create"), minutes)
		}
	})
}

func TestTheRateInALastingFaultFollowsTheRetryPeriod(t *testing.T) {
	for _, retry := range []time.Duration{200 * time.Millisecond, time.Second, 5 * time.Second, 26 * time.Second} {
		for _, name := range []string{"403", "500", "409", "connection"} {
			for _, verbs := range faultySets {
				t.Run(fmt.Sprintf("%v/%s/%s", retry, name, verbs), func(t *testing.T) {
					inWorld(t, func(t *testing.T, w *world) {
						set := durations(max(2*time.Second, 5*retry).Round(time.Second), max(time.Second, 4*retry), retry)
						w.candidate("a", set).start().leads(time.Second)
						b := w.candidate("b", set).start()
						time.Sleep(20 * retry)
						b.client.Intercept(faultOn{verbs, lastingFaults[name]}.intercept)
						b.client.CutWatches()
						slow := b.config.slow()
						time.Sleep(5 * slow)
						w.server.ResetRequests()
						time.Sleep(20 * slow)
						most := int(20*slow/(retry*7/4)) + 1 + 20 + 1 // one of each may fall on both ends
						if name == "403" && verbs == "watch get write" {
							most = 40
						}
						if n := w.server.Requests("b", ""); n > most {
							t.Errorf("%d requests in %v, want %d at most", n, 20*slow, most)
						}
					})
				})
			}
		}
	}
}

func TestAfterAnOutageTheWatchIsBackWithTheFirstAnswer(t *testing.T) {
	for _, outage := range []time.Duration{time.Second, 30 * time.Second, 10 * time.Minute} {
		inWorld(t, func(t *testing.T, w *world) {
			a := w.candidate("a").start()
			a.leads(time.Second)
			b := w.candidate("b").start()
			time.Sleep(time.Hour)
			b.client.Fail(syscall.ECONNREFUSED, -1)
			b.client.CutWatches()
			time.Sleep(outage)
			b.client.Heal()
			w.until(DefaultRetryPeriod*7/4, "the watch is back", func() bool { return b.watcher.State().Trusted })
			a.stop()
			b.leads(time.Millisecond)
		})
	}
}
