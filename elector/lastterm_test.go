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

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

// wantLastTerm fails the test unless the Lease says so of a's first term.
func wantLastTerm(t *testing.T, w *world, token Token, reason EndReason, message string) {
	t.Helper()
	last := ReadLease(w.lease()).LastTerm
	if last == nil || last.Holder != "a" || last.Token != token || last.Reason != reason || last.Message != message || time.Since(last.Ended).Abs() > time.Minute {
		t.Errorf("the Lease says %+v, want %s (%s) of a, token %s", last, reason, message, token)
	}
}

func TestTheLeaseSaysWhyTheLastTermEnded(t *testing.T) {
	const lapsed = "not renewed for 15s"
	for name, test := range map[string]struct {
		end     func(t *testing.T, w *world, a *candidate)
		reason  EndReason
		message string
	}{
		"stopped":      {func(_ *testing.T, _ *world, a *candidate) { a.stop() }, EndReleased, ""},
		"stepped down": {func(t *testing.T, _ *world, a *candidate) { _ = a.StepDown(t.Context()) }, EndSteppedDown, ""},
		"asked to step down": {func(_ *testing.T, w *world, a *candidate) {
			term, _ := a.Term()
			w.edit(func(l *coordinationv1.Lease) { l.Annotations[StepDownAnnotation] = string(term.Token) })
		}, EndSteppedDown, "asked for by an annotation on the Lease"},
		"crashed":     {func(_ *testing.T, _ *world, a *candidate) { a.crash() }, EndLapsed, lapsed},
		"partitioned": {func(_ *testing.T, _ *world, a *candidate) { a.client.Partition() }, EndLapsed, lapsed},
		"deleted": {func(_ *testing.T, w *world, a *candidate) {
			refuseUpdates(a) // or it may be faster
			w.server.Delete(testNamespace, testLease)
		}, EndDeleted, "the Lease was deleted"},
		"blanked": {func(_ *testing.T, w *world, a *candidate) {
			refuseUpdates(a)
			w.edit(func(l *coordinationv1.Lease) { l.Spec.HolderIdentity = nil })
		}, EndTakenOver, "the holder was removed from the Lease"},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				a := w.candidate("a").start()
				a.leads(time.Second)
				term, _ := a.Term()
				b := w.candidate("b").start()
				time.Sleep(time.Minute)
				test.end(t, w, a)
				b.leads(time.Minute)
				wantLastTerm(t, w, term.Token, test.reason, test.message)
				time.Sleep(10 * time.Second) // renewals keep it
				wantLastTerm(t, w, term.Token, test.reason, test.message)
			})
		})
	}
}

func TestTheReleaseSaysWhyTheProcessWasStopped(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.candidate("a")
		ctx, cancel := context.WithCancelCause(t.Context())
		done := make(chan error)
		go func() { done <- a.Start(ctx) }()
		a.leads(time.Second)
		term, _ := a.Term()
		cancel(errors.New("terminated signal received \x00\"" + strings.Repeat("ü", 1000)))
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		wantLastTerm(t, w, term.Token, EndReleased, "terminated signal received \x00\""+strings.Repeat("ü", 113))
	})
}

func TestALostTermIsSaidByItsOwnProcessToo(t *testing.T) {
	for name, test := range map[string]struct {
		end     func(t *testing.T, w *world, a *candidate)
		reason  EndReason
		message string
	}{
		"expired": {func(_ *testing.T, _ *world, a *candidate) {
			a.client.Partition()
			time.Sleep(20 * time.Second)
			a.client.Heal()
		}, EndLapsed, ErrLeaseExpired.Error()},
		"deleted": {func(_ *testing.T, w *world, _ *candidate) { w.server.Delete(testNamespace, testLease) }, EndDeleted, "the Lease was deleted"},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				a := w.candidate("a").start()
				a.leads(time.Second)
				term, _ := a.Term()
				test.end(t, w, a)
				w.until(time.Minute, "a leads again", func() bool { next, ok := a.Term(); return ok && next != term })
				wantLastTerm(t, w, term.Token, test.reason, test.message)
			})
		})
	}
}

// An annotation that other holders have left standing is not about the term before.
func TestAnOldReasonIsNotBelieved(t *testing.T) {
	old := `{"holder":"old","token":"5","reason":"step-down","ended":"2000-01-01T00:00:00Z"}`
	for name, lease := range map[string]*coordinationv1.Lease{
		"released": {Spec: coordinationv1.LeaseSpec{RenewTime: micro(time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC))}},
		"held":     {Spec: coordinationv1.LeaseSpec{HolderIdentity: ptr.To(strings.Repeat("h", 1<<20)), LeaseDurationSeconds: ptr.To[int32](15)}},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				lease.ObjectMeta = metav1.ObjectMeta{Namespace: testNamespace, Name: testLease, Annotations: map[string]string{LastTermAnnotation: old}}
				w.server.Put(lease)
				w.candidate("a").start().leads(time.Minute)
				synctest.Wait()
				last := ReadLease(w.lease()).LastTerm
				if name == "released" && last != nil || name == "held" && (last == nil || last.Reason != EndLapsed || last.Holder != strings.Repeat("h", maxIdentity)) {
					t.Errorf("the Lease says %+v", last)
				}
			})
		})
	}
}

func TestALastTermOfAnyContentIsBounded(t *testing.T) {
	any := strings.Repeat("\x01", 1<<20)
	text := LastTerm{Holder: any, Token: Token(any), Reason: EndReason(any), Message: any}.encode()
	if len(text) > 8<<10 {
		t.Errorf("%d bytes", len(text))
	}
	if got := readLastTerm(text); got == nil || got.Holder != any[:maxIdentity] {
		t.Errorf("read as %+v", got)
	}
	if text := (LastTerm{Ended: time.Date(20000, 1, 1, 0, 0, 0, 0, time.UTC)}).encode(); readLastTerm(text) != nil {
		t.Errorf("a year that JSON cannot have: %q", text)
	}
}
