// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kube-elector/elector/examples/operator/report"
)

func led(history []event, _ []status) bool {
	return lastOf(history, func(e event) bool { return e.Kind == leading }) >= 0
}

func TestAwaitReturnsWhenItsConditionComesTrue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBoard([]string{"a"})
		result := make(chan error, 1)
		go func() { result <- b.await(t.Context(), time.Hour, "a leads", led) }()
		b.note(event{At: time.Now(), Replica: "a", Kind: up})
		synctest.Wait()
		select {
		case err := <-result:
			t.Fatalf("it returned %v before", err)
		default:
		}
		b.note(event{At: time.Now(), Replica: "a", Kind: leading, Token: "1"})
		if err := <-result; err != nil {
			t.Error(err)
		}
	})
}

func TestAwaitEndsWithTheLimitTheContextAndAFailure(t *testing.T) {
	failure := errors.New("a failure")
	for name, test := range map[string]struct {
		end  func(*board, context.CancelCauseFunc)
		want string
	}{
		"limit":   {func(*board, context.CancelCauseFunc) {}, "after 1h0m0s it is still not so that a leads"},
		"context": {func(_ *board, cancel context.CancelCauseFunc) { cancel(errors.New("ctrl-c")) }, "ctrl-c"},
		"failure": {func(b *board, _ context.CancelCauseFunc) { b.fail(failure) }, "a failure"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBoard([]string{"a"})
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				time.AfterFunc(time.Minute, func() { test.end(b, cancel) })
				err := b.await(ctx, time.Hour, "a leads", led)
				if err == nil || err.Error() != test.want {
					t.Errorf("await returned %v, want %q", err, test.want)
				}
			})
		})
	}
}

func TestWatchLastsItsTimeUnlessSomethingFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBoard([]string{"a"})
		began := time.Now()
		time.AfterFunc(time.Second, func() { b.say("something that does not matter") })
		if err := b.watch(t.Context(), 3*time.Second); err != nil || time.Since(began) != 3*time.Second {
			t.Errorf("it returned %v after %v, want after 3s", err, time.Since(began))
		}
		failure := errors.New("a failure")
		time.AfterFunc(time.Second, func() { b.fail(failure) })
		if err := b.watch(t.Context(), 3*time.Second); !errors.Is(err, failure) || time.Since(began) != 4*time.Second {
			t.Errorf("it returned %v after %v, want the failure after 4s", err, time.Since(began))
		}
	})
}

func TestWhatHappensAfterThePlayDoesNotCount(t *testing.T) {
	b := newBoard([]string{"a", "b"})
	b.note(event{At: at(0), Replica: "a", Kind: leading, Token: "1"})
	b.end()
	b.note(event{At: at(1), Replica: "b", Kind: leading, Token: "2"})
	if history, _ := b.played(); len(history) != 1 {
		t.Errorf("the play's history is %+v", history)
	}
}

func TestLogIsReadToItsEndWhateverIsInIt(t *testing.T) {
	long := strings.Repeat("x", 1<<20)
	in := `{"time":"2026-01-02T03:04:05Z","msg":"state","report":{"event":"state","reconciled":3}}
no JSON
` + long + `
{"time":"2026-01-02T03:04:06Z","msg":"started leading","report":{"event":"started leading","token":"5"}}
panic: it ends without a line's end`
	var got []report.Report
	var log bytes.Buffer
	last := follow(io.MultiReader(strings.NewReader(in[:100]), strings.NewReader(in[100:])), &log, func(_ time.Time, r report.Report) {
		got = append(got, r)
	})
	if len(got) != 2 || got[0].Reconciled != 3 || got[1].Token != "5" {
		t.Errorf("the reports are %+v", got)
	}
	if want := "panic: it ends without a line's end"; last != want {
		t.Errorf("the last line is %q, want %q", last, want)
	}
	if strings.Contains(log.String(), `"state"`) || !strings.Contains(log.String(), long) || !strings.Contains(log.String(), "token") {
		t.Error("the log has not just the lines that are no states")
	}
}
