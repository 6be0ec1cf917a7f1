// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kube-elector/elector/elector/internal/lease"
)

func TestAPartIsWorthNoMoreThanItsTerm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		whole := newTerm(t.Context(), Term{Token: "7", Identity: "me"}, "", 10*time.Second, lease.Now())
		part := whole.Part(whole.ctx, Term{Token: "8", Transitions: 3})
		if left := part.Remaining(); left <= 0 || left > 10*time.Second {
			t.Errorf("%v left", left)
		}
		term, ok := TermFromContext(part.Context())
		if !ok || term != part.Term() || term.Token != "8" || term.Identity != "me" || term.Transitions != 3 {
			t.Errorf("the context has %+v", term)
		}
		whole.lose(ErrTakenOver)
		if part.Remaining() != 0 || term.Remaining() != 0 || !errors.Is(context.Cause(part.Context()), ErrTakenOver) {
			t.Errorf("%v left, cause %v", part.Remaining(), context.Cause(part.Context()))
		}
	})
}

func TestAPartEndsWithoutItsTerm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		whole := newTerm(t.Context(), Term{}, "", 10*time.Second, lease.Now())
		part, other := whole.Part(whole.ctx, Term{}), whole.Part(whole.ctx, Term{})
		release, ok := part.Term().Hold()
		if !ok {
			t.Fatal("no hold")
		}
		part.Cancel(ErrStopped)
		if part.Remaining() == 0 || part.Context().Err() == nil {
			t.Error("the term has ended before its work has, or its context has not ended")
		}
		part.Close()
		waited := make(chan struct{})
		go func() {
			part.Wait()
			close(waited)
		}()
		synctest.Wait()
		select {
		case <-waited:
			t.Error("Wait does not wait for the hold")
		default:
		}
		release()
		<-waited
		if _, ok := part.Term().Hold(); ok || part.Remaining() != 0 || other.Remaining() == 0 || whole.remaining() == 0 {
			t.Error("the part's end is not its own")
		}
		other.Lose(ErrLeaseDeleted)
		if other.Remaining() != 0 || !errors.Is(context.Cause(other.Context()), ErrLeaseDeleted) || whole.remaining() == 0 {
			t.Error("the loss of a part is not its own")
		}
	})
}

func TestAPartOfNoTermIsWorthNothing(t *testing.T) {
	part := Term{}.Part(t.Context(), Term{})
	part.Wait()
	if part.Remaining() != 0 || part.Context().Err() == nil {
		t.Error("it is")
	}
}
