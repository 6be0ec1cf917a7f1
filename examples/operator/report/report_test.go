// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bytes"
	"log/slog"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestParseGivesBackWhatWasLogged(t *testing.T) {
	want := Report{
		Event: EventStopped, Leading: true, Term: 3, Token: "215", Remaining: 9 * time.Second,
		Reconciled: 12, Leader: "a_1", Cause: "lease expired",
	}
	var out bytes.Buffer
	before := time.Now()
	want.Log(slog.New(slog.NewJSONHandler(&out, nil)))
	at, got, found := Parse(out.Bytes())
	if !found || got != want {
		t.Fatalf("of the line %s\nParse made %+v, %t, want %+v", out.Bytes(), got, found, want)
	}
	if at.Before(before) || time.Since(at) < 0 {
		t.Errorf("it was logged at %v, Parse says %v", before, at)
	}
}

func TestParseTakesNothingElseForAReport(t *testing.T) {
	for name, line := range map[string]string{
		"nothing":            ``,
		"no JSON":            `panic: runtime error`,
		"no object":          `[1, 2]`,
		"another log line":   `{"time":"2026-01-02T03:04:05Z","level":"INFO","msg":"state"}`,
		"a report's mention": `{"time":"2026-01-02T03:04:05Z","report":"see above"}`,
		"cut off":            `{"time":"2026-01-02T03:04:05Z","report":{"event":"state"`,
		"without a time":     `{"report":{"event":"state"}}`,
	} {
		t.Run(name, func(t *testing.T) {
			if _, r, found := Parse([]byte(line)); found {
				t.Errorf("Parse took %s for %+v", line, r)
			}
		})
	}
}
