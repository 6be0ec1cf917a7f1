// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/kube-elector/elector/elector/internal/lease"
)

// askToStepDown writes the annotation, as kubectl annotate does.
func (w *world) askToStepDown(token Token) {
	w.edit(func(l *coordinationv1.Lease) { l.Annotations[StepDownAnnotation] = string(token) })
}

func TestAnAnnotationWithItsTokenMakesALeaderStepDown(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.candidate("a")
		a.atEnd = func(ctx context.Context) { time.Sleep(5 * time.Second) } // meanwhile it renews
		a.start().leads(time.Second)
		term, _ := a.Term()
		b := w.candidate("b").start()
		time.Sleep(time.Minute)
		w.askToStepDown(term.Token)
		synctest.Wait()
		w.wantOrder("a started", "a cancelled: stepped down")
		time.Sleep(4 * time.Second)
		if r := ReadLease(w.lease()); r.StepDown != term.Token {
			t.Errorf("the request is no longer there while it is being obeyed: %+v", r)
		}
		b.leads(5 * time.Second)
		if r := ReadLease(w.lease()); r.StepDown != "" || !r.Elector {
			t.Errorf("the request is still there: %+v", r)
		}
		time.Sleep(time.Minute)
		if !b.IsLeader() || w.log.count("a cancelled: stepped down") != 1 {
			t.Errorf("a request was obeyed twice:\n%s", w.log)
		}
	})
}

func TestARequestWithAnotherTokenIsIgnoredAndRemoved(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.candidate("a").start()
		a.leads(time.Second)
		w.candidate("b").start()
		term, _ := a.Term()
		for _, token := range []Token{"", "1", term.Token + "0", " " + term.Token, "a", Token(strings.Repeat("\x00", 100))} {
			w.askToStepDown(token)
			time.Sleep(DefaultRetryPeriod + time.Second)
			if _, there := w.lease().Annotations[StepDownAnnotation]; there || term.Remaining() == 0 {
				t.Errorf("%q: still there: %v, term left: %v", token, there, term.Remaining())
			}
		}
	})
}

func TestARequestOfAnEarlierTermEndsNoLaterOne(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.candidate("a").start()
		a.leads(time.Second)
		term, _ := a.Term()
		w.candidate("b").start()
		time.Sleep(time.Minute)
		w.server.Delete(testNamespace, testLease)
		w.until(time.Minute, "another term", func() bool { return lease.Holder(w.lease()) != "" })
		synctest.Wait()
		now := ReadLease(w.lease())
		w.askToStepDown(term.Token)
		time.Sleep(time.Minute)
		if later := ReadLease(w.lease()); later.Token != now.Token || later.StepDown != "" {
			t.Errorf("the term changed: %+v, was %+v", later, now)
		}
	})
}

// Something asks every leader at once, again and again.
func TestALeaderThatIsAskedAgainAndAgainLeadsForAWhile(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.candidate("a")
		log := a.logged(0)
		a.start().leads(time.Second)
		end := time.Now().Add(10 * time.Minute)
		for time.Now().Before(end) {
			if token := ReadLease(w.lease()).Token; token != "" {
				w.askToStepDown(token)
			}
			time.Sleep(100 * time.Millisecond)
		}
		if n := w.log.count("a started"); n < 15 || n > 21 {
			t.Errorf("%d terms in 10 minutes, want one in 30s", n)
		}
		if n := strings.Count(log.String(), "\n"); n > 100 {
			t.Errorf("%d log lines in 10 minutes", n)
		}
	})
}

// client-go's fake clientset gives objects no resourceVersion.
func TestALeaderWithoutATokenIsNotAskedByALeaseWithoutARequest(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.candidateOn(fake.NewClientset(), "a").start()
		a.leads(time.Second)
		time.Sleep(time.Minute)
		if term, ok := a.Term(); !ok || term.Token != "" || w.log.count("a cancelled: stepped down") != 0 {
			t.Errorf("term %+v, %v:\n%s", term, ok, w.log)
		}
	})
}
