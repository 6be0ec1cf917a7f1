// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kube-elector/elector/elector"
)

// fakeElector leads its term.
type fakeElector struct{ term elector.Term }

func (f fakeElector) Term() (elector.Term, bool) { return f.term, true }
func (f fakeElector) Remaining() time.Duration   { return 7 * time.Second }
func (f fakeElector) GetLeader() string          { return f.term.Identity }

// reported is what r's log has.
func reported(t *testing.T, log *bytes.Buffer) []Report {
	t.Helper()
	var all []Report
	for line := range bytes.Lines(log.Bytes()) {
		_, r, found := Parse(line)
		if !found {
			t.Fatalf("no report in %q", line)
		}
		all = append(all, r)
	}
	return all
}

func TestStateIsReportedAtOnceAndThenAtEachInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		r := New(time.Second, slog.New(slog.NewJSONHandler(&log, nil)))
		term := elector.Term{Token: "215", Identity: "a_1", Transitions: 3}
		r.Worked(term)
		log.Reset()
		ctx, cancel := context.WithTimeout(t.Context(), 2500*time.Millisecond)
		defer cancel()
		r.Run(ctx, fakeElector{term})
		want := Report{
			Event: EventState, Leading: true, Term: 3, Token: "215", Remaining: 7 * time.Second, Reconciled: 1, Leader: "a_1",
		}
		got := reported(t, &log)
		if len(got) != 3 {
			t.Fatalf("in 2.5s there were %d reports, want 3", len(got))
		}
		for _, r := range got {
			if r != want {
				t.Errorf("reported %+v, want %+v", r, want)
			}
		}
	})
}

func TestOnlyTheFirstReconcileOfATermIsReported(t *testing.T) {
	var log bytes.Buffer
	r := New(time.Second, slog.New(slog.NewJSONHandler(&log, nil)))
	for _, token := range []elector.Token{"1", "1", "2", "2", "2"} {
		r.Worked(elector.Term{Token: token})
	}
	got := reported(t, &log)
	if len(got) != 2 || got[0].Token != "1" || got[1].Token != "2" {
		t.Fatalf("reported %+v, want one of token 1 and one of token 2", got)
	}
}

func TestTheEndOfATermIsReportedWithItsCause(t *testing.T) {
	var log bytes.Buffer
	r := New(time.Second, slog.New(slog.NewJSONHandler(&log, nil)))
	ctx, cancel := context.WithCancelCause(t.Context())
	callbacks := r.Callbacks()
	callbacks.OnStartedLeading(ctx)
	cancel(errors.New("stolen"))
	callbacks.OnStoppedLeading()
	got := reported(t, &log)
	if len(got) != 2 || got[0].Event != EventLeading || got[1].Event != EventStopped || got[1].Cause != "stolen" {
		t.Fatalf("reported %+v, want the beginning, and the end with its cause", got)
	}
}

func TestNothingIsReportedWithoutAnInterval(t *testing.T) {
	var log bytes.Buffer
	r := New(0, slog.New(slog.NewJSONHandler(&log, nil)))
	r.Run(t.Context(), fakeElector{})
	r.Worked(elector.Term{Token: "1"})
	r.Callbacks().OnStartedLeading(t.Context())
	if log.Len() > 0 {
		t.Fatalf("reported %s", log.Bytes())
	}
}
