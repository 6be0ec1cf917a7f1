// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/slogtest"
	"testing/synctest"
	"time"

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

// lines are those logged so far, by a JSON handler.
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

// from are the lines from this level on.
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
func (w *world) talking(id string, level slog.Level) (*candidate, *memoryLog) {
	w.t.Helper()
	c, log := w.candidate(id), &memoryLog{}
	logger := slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: level}))
	var err error
	if c.Elector, err = New(ptr.To(testConfig(id)), c.client, c.callbacks, logger); err != nil {
		w.t.Fatal(err)
	}
	return c, log
}

func TestClientGoLogsThroughTheUsersHandler(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, log := w.talking("a", levelAll)
		a.start().leads(time.Second)
		time.Sleep(9 * time.Second)
		a.client.Fail(errors.New("no luck"), -1)
		w.until(time.Minute, "the term ends", func() bool { return !a.IsLeader() })
		synctest.Wait()
		lines := log.lines(t)
		for msg, want := range map[string]struct {
			level slog.Level
			err   string
		}{
			"Attempting to acquire leader lease...":                            {slog.LevelInfo, ""},
			"Successfully acquired lease":                                      {slog.LevelInfo, ""},
			"Successfully renewed lease":                                       {-5, ""},
			"Failed to update lease optimistically, falling back to slow path": {-2, "no luck"},
			"Error retrieving lease lock":                                      {slog.LevelError, "no luck"},
			"Failed to renew lease":                                            {slog.LevelInfo, "context"},
			"leading":                                                          {slog.LevelInfo, ""},
			"stopped leading":                                                  {slog.LevelWarn, ""},
		} {
			found := saying(msg, lines)
			if len(found) == 0 {
				t.Errorf("not logged: %q", msg)
				continue
			}
			l := found[0]
			if l.Level != want.level || !strings.Contains(l.Err, want.err) || l.Lease != "ns/lease" || l.Identity != "a" {
				t.Errorf("got %+v, want level %v, error %q, and which lease and identity", l, want.level, want.err)
			}
			if clientGos := !strings.Contains(msg, "leading"); clientGos && l.Lock != "ns/lease" {
				t.Errorf("client-go's key lock is lost: %+v", l)
			}
		}
		if t.Failed() {
			t.Log(log)
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
		for _, msg := range []string{"lost the race for the Lease", "Failed to update lease", "Failed to acquire lease"} {
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

func TestTheQuietHandlerIsAHandler(t *testing.T) {
	var buffer bytes.Buffer
	handler := quietHandler{slog.NewJSONHandler(&buffer, nil)}
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

func TestTheQuietHandlerLowersQuietErrorsOnly(t *testing.T) {
	quiet, loud := &quietError{errors.New("quiet")}, errors.New("loud")
	for name, c := range map[string]struct {
		level slog.Level // the handler's
		err   error
		want  []slog.Level
	}{
		"loud":                    {levelAll, loud, []slog.Level{slog.LevelError}},
		"quiet":                   {levelAll, quiet, []slog.Level{slog.LevelDebug}},
		"quiet inside":            {levelAll, errors.Join(loud, quiet), []slog.Level{slog.LevelDebug}},
		"quiet, and Debug is off": {slog.LevelInfo, quiet, nil},
		"none":                    {slog.LevelInfo, nil, []slog.Level{slog.LevelError}},
	} {
		log := &memoryLog{}
		logger := slog.New(quietHandler{slog.NewJSONHandler(log, &slog.HandlerOptions{Level: c.level})})
		logger.With("k", "v").WithGroup("g").Error("failed", "err", c.err, "another", loud)
		var got []slog.Level
		for _, l := range log.lines(t) {
			got = append(got, l.Level)
		}
		if len(got) != len(c.want) || len(got) > 0 && got[0] != c.want[0] {
			t.Errorf("%s: logged at %v, want %v", name, got, c.want)
		}
	}
}
