// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/slogtest"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/utils/ptr"

	"github.com/kube-elector/elector/elector/leasetest"
)

// levelAll is below what client-go logs at its most talkative, V(9).
const levelAll = slog.Level(-10)

// line is one that was logged.
type line struct {
	Level                           slog.Level
	Msg, Lock, Lease, Identity, Err string
}

// lines returns those logged so far by a JSON handler.
func (m *memoryLog) lines(t *testing.T) (all []line) {
	t.Helper()
	for text := range strings.Lines(m.String()) {
		var l line
		if err := json.Unmarshal([]byte(text), &l); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		all = append(all, l)
	}
	return all
}

// from returns the lines from this level on.
func from(level slog.Level, lines []line) (loud []line) {
	for _, l := range lines {
		if l.Level >= level {
			loud = append(loud, l)
		}
	}
	return loud
}

func saying(msg string, lines []line) (found []line) {
	for _, l := range lines {
		if l.Msg == msg {
			found = append(found, l)
		}
	}
	return found
}

// talking makes a candidate that logs into memory, through New.
func (w *world) talking(id string, level slog.Level, change ...func(*Config)) (*candidate, *memoryLog) {
	w.t.Helper()
	c, log := w.candidate(id, change...), &memoryLog{}
	logger := slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: level}))
	var err error
	if c.Elector, err = New(&c.config, c.client, c.callbacks, logger); err != nil {
		w.t.Fatal(err)
	}
	return c, log
}

func TestClientGoLogsThroughTheUsersHandlerAsDebug(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, log := w.talking("a", levelAll)
		a.start().leads(time.Second)
		time.Sleep(9 * time.Second)
		a.client.Fail(errors.New("no luck"), -1)
		w.until(time.Minute, "the term ends", func() bool { return !a.IsLeader() })
		synctest.Wait()
		lines := log.lines(t)
		for msg, want := range map[string]line{
			"Attempting to acquire leader lease...":                            {Level: slog.LevelDebug},
			"Successfully acquired lease":                                      {Level: slog.LevelDebug},
			"Successfully renewed lease":                                       {Level: -5},
			"Failed to update lease optimistically, falling back to slow path": {Level: slog.LevelDebug, Err: "no luck"},
			"Error retrieving lease lock":                                      {Level: slog.LevelDebug, Err: "no luck"},
			"Failed to renew lease":                                            {Level: slog.LevelDebug, Err: "context"},
			"leading":                                                          {Level: slog.LevelInfo},
			"cannot renew the Lease":                                           {Level: slog.LevelWarn, Err: "no luck"},
			"stopped leading":                                                  {Level: slog.LevelWarn},
		} {
			found := saying(msg, lines)
			if len(found) == 0 {
				t.Errorf("not logged: %q", msg)
				continue
			}
			l := found[0]
			if l.Level != want.Level || !strings.Contains(l.Err, want.Err) || l.Lease != "ns/lease" || l.Lock != "" || l.Identity != "a" {
				t.Errorf("got %+v, want level %v, error %q, and once which lease and identity", l, want.Level, want.Err)
			}
		}
		if t.Failed() {
			t.Log(log)
		}
	})
}

func TestABeginningAndAnEndAreALineEach(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, log := w.talking("a", slog.LevelInfo)
		a.start().leads(time.Second)
		a.stop()
		if err := a.result(time.Second); err != nil {
			t.Fatal(err)
		}
		lines := log.lines(t)
		if len(lines) != 2 || lines[0].Msg != "leading" || lines[1].Msg != "stopped leading" {
			t.Errorf("got %+v", lines)
		}
	})
}

func TestALeaderWithoutAnElectionSaysSo(t *testing.T) {
	inWorld(t, func(t *testing.T, _ *world) {
		log := &memoryLog{}
		e, err := New(&Config{Identity: "a"}, nil, Callbacks{}, slog.New(slog.NewJSONHandler(log, nil)))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := e.Start(ctx); err != nil {
			t.Fatal(err)
		}
		lines := log.lines(t)
		if len(lines) != 2 || lines[0].Msg != "leading without an election, as Enabled is false" || lines[0].Lease != "" {
			t.Errorf("got %+v", lines)
		}
	})
}

func TestTheWorksContextKeepsTheLoggerOfStarts(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		for name, enabled := range map[string]bool{"with an election": true, "without": false} {
			mine, electors := &memoryLog{}, &memoryLog{}
			config := testConfig(name)
			config.Enabled = enabled
			e, err := New(&config, w.server.Client(name), Callbacks{OnStartedLeading: func(ctx context.Context) {
				logr.FromContextOrDiscard(ctx).Info("at work")
				<-ctx.Done()
			}}, slog.New(slog.NewTextHandler(electors, nil)))
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(logr.NewContext(t.Context(), logr.FromSlogHandler(slog.NewTextHandler(mine, nil))), time.Second)
			if err := e.Start(ctx); err != nil {
				t.Error(err)
			}
			cancel()
			if text := mine.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, "at work") {
				t.Errorf("%s: the caller's logger got %q, the Elector's %q", name, text, electors)
			}
		}
	})
}

func TestTheDefaultLoggerIsSlogs(t *testing.T) {
	defer slog.SetDefault(slog.Default())
	log := &memoryLog{}
	slog.SetDefault(slog.New(slog.NewJSONHandler(log, nil)))
	e, err := New(&Config{}, nil, Callbacks{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	e.logger.Info("here")
	if len(saying("here", log.lines(t))) != 1 {
		t.Errorf("logged elsewhere, here only %q", log)
	}
}

func TestALostRaceIsLoggedAsDebug(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.server.Put(foreignLease("x", nil))
		b, log := w.talking("b", levelAll)
		b.start()
		synctest.Wait()
		raced := 0
		b.client.Intercept(func(op leasetest.Op) leasetest.Fault {
			if op.Lease != nil { // another is always faster
				raced++
				w.edit(func(l *leaseObject) { l.Spec.HolderIdentity = ptr.To("x") })
			}
			return leasetest.Fault{}
		})
		w.edit(func(l *leaseObject) { l.Spec.HolderIdentity = nil })
		synctest.Wait()
		if raced != 1 {
			t.Fatalf("%d claims", raced)
		}
		lines := log.lines(t)
		for _, msg := range []string{"lost the race for the Lease", "Failed to update lease"} {
			found := saying(msg, lines)
			if len(found) != 1 || found[0].Level != slog.LevelDebug {
				t.Errorf("want %q once, as debug, got %+v", msg, found)
			}
		}
		if loud := from(slog.LevelWarn, lines); len(loud) > 0 {
			t.Errorf("warned of a lost race: %+v", loud)
		}
	})
}

func TestTheHandlerOfClientGosLinesIsAHandler(t *testing.T) {
	var buffer bytes.Buffer
	handler := clientHandler{slog.NewJSONHandler(&buffer, &slog.HandlerOptions{Level: slog.LevelDebug})}
	if err := slogtest.TestHandler(handler, func() (all []map[string]any) {
		for text := range bytes.Lines(buffer.Bytes()) {
			entry := map[string]any{}
			if err := json.Unmarshal(text, &entry); err != nil {
				t.Fatal(err)
			}
			all = append(all, entry)
		}
		return all
	}); err != nil {
		t.Error(err)
	}
}

func TestTheHandlerOfClientGosLinesRaisesNoLevel(t *testing.T) {
	for level, want := range map[slog.Level]slog.Level{
		slog.LevelError: slog.LevelDebug, slog.LevelInfo: slog.LevelDebug, slog.LevelDebug: slog.LevelDebug, -9: -9,
	} {
		log := &memoryLog{}
		logger := slog.New(clientHandler{slog.NewJSONHandler(log, &slog.HandlerOptions{Level: levelAll})})
		logger.With("k", "v").Log(t.Context(), level, "here", "lock", "ns/lease", "err", errors.New("no"))
		if got := log.lines(t); len(got) != 1 || got[0].Level != want || got[0].Err != "no" || got[0].Lock != "" {
			t.Errorf("%v became %+v", level, got)
		}
		quiet := clientHandler{slog.NewJSONHandler(log, nil)}
		logr.FromSlogHandler(quiet).Error(errors.New("no"), "not here")
		if slog.New(quiet).Enabled(t.Context(), level) || len(log.lines(t)) != 1 {
			t.Errorf("%v is logged though Debug is not enabled", level)
		}
	}
}
