// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
)

// logged collects what is logged. It may be read while others write: a manager logs for a moment longer than Start
// takes.
type logged struct {
	mu   sync.Mutex
	text strings.Builder // guarded by mu
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// jsonLogger writes records, without their time, to the buffer.
func jsonLogger(buffer io.Writer) *slog.Logger {
	return slog.New(slog.NewJSONHandler(buffer, &slog.HandlerOptions{
		Level: slog.LevelDebug,
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey && len(groups) == 0 {
				return slog.Attr{}
			}
			return a
		},
	}))
}

func decode(t *testing.T, text string) []map[string]any {
	t.Helper()
	var lines []map[string]any
	for line := range strings.Lines(text) {
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		lines = append(lines, fields)
	}
	return lines
}

func TestManagerLinesReachSlogWithLevelsAndValues(t *testing.T) {
	var buffer bytes.Buffer
	log := NewLogr(jsonLogger(&buffer)).WithName("controller").WithValues("kind", "Widget")
	log.Info("plain", "n", 1)
	log.V(1).Info("verbose")
	log.V(4).Info("debug")
	log.V(5).Info("beyond the handler's level")
	log.Error(errors.New("boom"), "failed", "n", 2)
	want := []map[string]any{
		{"level": "INFO", "msg": "plain", "logger": "controller", "kind": "Widget", "n": 1.},
		{"level": "DEBUG+3", "msg": "verbose", "logger": "controller", "kind": "Widget"},
		{"level": "DEBUG", "msg": "debug", "logger": "controller", "kind": "Widget"},
		{"level": "ERROR", "msg": "failed", "logger": "controller", "kind": "Widget", "err": "boom", "n": 2.},
	}
	if got := decode(t, buffer.String()); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestElectorLinesReachLogrWithLevelsAndValues(t *testing.T) {
	var lines []string
	sink := funcr.New(func(prefix, args string) { lines = append(lines, prefix+": "+args) }, funcr.Options{Verbosity: 4})
	log := NewLogger(sink.WithName("elector")).With("lease", "ns/name")
	log.Info("leading", "token", "7")
	log.Warn("stopped leading")
	log.Debug("lost the race")
	log.Log(t.Context(), slog.LevelDebug-1, "beyond the sink's level")
	log.Error("gone", "err", errors.New("boom"))
	want := []string{
		`elector: "level"=0 "msg"="leading" "lease"="ns/name" "token"="7"`,
		`elector: "level"=0 "msg"="stopped leading" "lease"="ns/name"`,
		`elector: "level"=4 "msg"="lost the race" "lease"="ns/name"`,
		`elector: "msg"="gone" "error"=null "lease"="ns/name" "err"="boom"`,
	}
	if !reflect.DeepEqual(lines, want) {
		t.Errorf("got  %s\nwant %s", strings.Join(lines, "\n     "), strings.Join(want, "\n     "))
	}
}

func TestALoggersNameIsKeptThroughSlog(t *testing.T) {
	var buffer bytes.Buffer
	for _, logger := range []logr.Logger{
		NewLogr(jsonLogger(&buffer)).WithName("a").WithValues("k", 1).WithName("b"),
		NewLogr(jsonLogger(&buffer)).WithName("a").WithName("b").WithValues("k", 1).V(1),
	} {
		buffer.Reset()
		NewLogger(logger).Warn("here")
		lines := decode(t, buffer.String())
		if len(lines) != 1 || lines[0]["logger"] != "a/b" || lines[0]["k"] != 1. || strings.Count(buffer.String(), "logger") != 1 {
			t.Errorf("got %s", buffer.String())
		}
		if logger.GetV() == 0 && lines[0]["level"] != "WARN" {
			t.Errorf("the level is lost: %s", buffer.String())
		}
	}
	if NewLogger(logr.Logger{}).Enabled(t.Context(), slog.LevelError) {
		t.Error("a logger without a sink writes")
	}
}

func TestLoggerComesBackUnchanged(t *testing.T) {
	logger := jsonLogger(io.Discard)
	if got := NewLogger(NewLogr(logger)); got.Handler() != logger.Handler() {
		t.Errorf("the handler is wrapped: %T", got.Handler())
	}
	if got := NewLogger(NewLogr(nil)); got.Handler() != slog.Default().Handler() {
		t.Errorf("a nil logger gave %T, want the default's handler", got.Handler())
	}
}
