// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/kube-elector/elector/elector"
	"github.com/kube-elector/elector/elector/leasetest"
	"github.com/kube-elector/elector/manager/fencing"
)

// inTerm has f called in a bubble, in a term of an Elector that is stopped afterwards, with the term's context.
func inTerm(t *testing.T, f func(t *testing.T, ctx context.Context, e *elector.Elector)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		terms := make(chan context.Context, 1)
		e, err := elector.New(&elector.Config{Enabled: true, LeaseName: "l", LeaseNamespace: "n"},
			leasetest.NewServer().Client("a"),
			elector.Callbacks{OnStartedLeading: func(ctx context.Context) { terms <- ctx; <-ctx.Done() }}, quiet)
		if err != nil {
			t.Fatal(err)
		}
		run := begin(e.Start)
		f(t, <-terms, e)
		run.stop()
		if err := run.wait(); err != nil {
			t.Fatal(err)
		}
	})
}

// refusedBy returns the API server's error when that policy refuses a write.
func refusedBy(p fencing.Policy) error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Status: metav1.StatusFailure, Reason: metav1.StatusReasonForbidden, Code: 403,
		Message: `configmaps "a" is forbidden: ValidatingAdmissionPolicy '` + string(p) + `.l.n.fencing.kube-elector.io' with binding 'x' denied request: no`,
	}}
}

func TestRefusedWritesFailWithErrRefusedAndOnlyHolderIsAskedAgain(t *testing.T) {
	for policy, again := range map[fencing.Policy]bool{fencing.Holder: true, fencing.Epoch: false, fencing.Guard: false} {
		inTerm(t, func(t *testing.T, ctx context.Context, e *elector.Elector) {
			for name, write := range writes {
				var sent int
				began := time.Now()
				err := write(ctx, Fenced(recordingClient(func(context.Context) error { sent++; return refusedBy(policy) }), e))
				took := time.Since(began)
				if !errors.Is(err, fencing.ErrRefused) || !fencing.IsRefused(err) || errors.Is(err, reconcile.TerminalError(nil)) {
					t.Errorf("%s, %s: %v, want ErrRefused, not terminal while the term lasts", policy, name, err)
				}
				if again && (sent < 5 || took < time.Second || took > 3*time.Second) || !again && (sent != 1 || took != 0) {
					t.Errorf("%s, %s: sent %d times in %v", policy, name, sent, took)
				}
			}
		})
	}
}

func TestWriteThatHolderRefusesAtFirstSucceeds(t *testing.T) {
	inTerm(t, func(t *testing.T, ctx context.Context, e *elector.Elector) {
		for name, write := range writes {
			var sent int
			err := write(ctx, Fenced(recordingClient(func(context.Context) error {
				if sent++; sent < 4 {
					return refusedBy(fencing.Holder)
				}
				return nil
			}), e))
			if err != nil || sent != 4 {
				t.Errorf("%s: %v after %d times", name, err, sent)
			}
		}
	})
}

func TestRefusalAfterTheTermIsTerminal(t *testing.T) {
	inTerm(t, func(t *testing.T, ctx context.Context, e *elector.Elector) {
		var sent int
		err := Fenced(recordingClient(func(context.Context) error {
			sent++
			_ = e.StepDown(t.Context()) // the term ends while the request is under way
			return refusedBy(fencing.Holder)
		}), nil).Create(ctx, &corev1.Pod{})
		if !errors.Is(err, fencing.ErrRefused) || !errors.Is(err, reconcile.TerminalError(nil)) || sent != 1 {
			t.Errorf("%v after %d times, want ErrRefused and a TerminalError at once", err, sent)
		}
	})
}
