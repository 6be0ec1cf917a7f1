// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kube-elector/elector/test/chaos/event"
	"github.com/kube-elector/elector/test/chaos/stage"
	"github.com/kube-elector/elector/test/harness"
)

var zero = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func TestPeersStandSideBySide(t *testing.T) {
	dir := t.TempDir()
	for i, peer := range Peers {
		r := &Report{
			Command: "make chaos PEER=" + peer, Peer: peer, Began: zero, Took: time.Minute, Versions: map[string]string{"Go": "go0"},
			Results: []Result{{
				Row: 2, Name: "leader frozen past its lease", Verdict: []string{Passed, Failed, Broken}[i], Outcome: stage.Outcome{
					Gap: time.Second, Zombie: time.Duration(i) * time.Second, Failures: []string{"reason | of\nmany lines"}[:min(i, 1)],
				},
			}},
		}
		if err := r.Save(filepath.Join(dir, peer), io.Discard); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	if err := Compare(dir, &out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| 2 | leader frozen past its lease | next leads at expiry;",
		"| pass: gap 1s, overlap 0s, zombie 0s, 0 refused, 0 requests | FAIL: gap 1s, overlap 0s, zombie 1s, 0 refused, 0 requests | ERROR: gap 1s,",
		"| 3 | frozen briefly | no callback at all | not played | not played | not played |",
		"| 29 | clocks run ±10 % apart | not on processes: test/sim: virtual time | | | |",
		"client-go: `make chaos PEER=client-go`, 2026-01-01 00:00 UTC, took 1m0s. 0 rows passed, 1 failed, 0 could not",
		"  - reason / of\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, out.String())
		}
	}
}

func TestATimelineShowsWhatHappenedAndNeedsNothingElse(t *testing.T) {
	at := func(ms int, name string, k event.Kind) event.Event {
		p := event.ParseProcess(name)
		return event.Event{At: zero.Add(time.Duration(ms) * time.Millisecond), Replica: p.Replica, Number: p.Number, Kind: k}
	}
	leads := func(ms int, name, token string) event.Event {
		e := at(ms, name, event.Leads)
		e.Token = token
		return e
	}
	renewed, rejected := at(110, "", event.Lease), at(900, "a#1", event.Refused)
	renewed.Record, rejected.Token = &event.Record{Version: "5", Holder: "a#1", Author: "a#1"}, "5"
	begun, over := at(300, "a", event.Fault), at(800, "a", event.Healed)
	begun.Detail, over.Detail = "<frozen>", "<frozen>"
	events := []event.Event{
		at(0, "a#1", event.Started), at(0, "b#1", event.Started), leads(100, "a#1", "5"), renewed,
		at(200, "a#1", event.Accepted), begun, at(300, "a#1", event.Frozen), leads(600, "b#1", "7"),
		at(800, "a#1", event.Thawed), over, at(805, "a#1", event.Told), rejected, at(950, "b#1", event.Told), at(1000, "a#1", event.Exited),
	}
	file := filepath.Join(t.TempDir(), "made", "timeline.html")
	if err := Timeline(file, harness.Ours, events, Result{Row: 2, Name: "frozen", Must: "x ≤ 1", Verdict: Failed, Outcome: stage.Outcome{Failures: []string{"a < b"}}}); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	page := string(text)
	for _, want := range []string{
		"2: frozen (elector)", "FAIL", "a &lt; b", "replica a", "replica b", "fault: &lt;frozen&gt; 0.300 s – 0.800 s",
		"a#1 leads: 0.100 s – 0.805 s (705ms), token 5", "token 5 is not the highest", "a#1 frozen: 0.300 s",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("%q is not in the page", want)
		}
	}
	for _, outside := range []string{"http:", "https:", "src=", "href="} {
		if strings.Contains(page, outside) {
			t.Errorf("the page has %s: it is to need nothing else", outside)
		}
	}
	_, drawing, _ := strings.Cut(page, "<svg")
	drawing, _, _ = strings.Cut(drawing, "</svg>")
	if err := wellFormed("<svg" + drawing + "</svg>"); err != nil {
		t.Error(err)
	}
}

func wellFormed(text string) error {
	for decoder := xml.NewDecoder(strings.NewReader(text)); ; {
		switch _, err := decoder.Token(); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("the drawing is no XML: %w", err)
		}
	}
}
