// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/kube-elector/elector/examples/operator/report"
)

// busyBoard has a leader, a standby and one that is down.
func busyBoard() *board {
	b := newBoard([]string{"a", "b", "c"})
	for _, name := range []string{"a", "b"} {
		b.note(event{At: b.began, Replica: name, Kind: up})
	}
	b.observe("a", b.began, report.Report{Event: report.EventLeading, Term: 7, Token: "215"})
	b.observe("a", b.began, report.Report{
		Event: report.EventState, Leading: true, Term: 7, Token: "215", Remaining: 9 * time.Second, Reconciled: 1234,
	})
	b.observe("b", b.began, report.Report{Event: report.EventState, Reconciled: 12})
	return b
}

func TestViewWithoutATerminalHasPlainLines(t *testing.T) {
	var out bytes.Buffer
	b := busyBoard()
	v := newView(&out, b, 10*time.Second)
	b.say("that was %s", "all")
	v.close()
	want := []string{
		"0.000 s  replica a starts", "0.000 s  replica b starts", "0.000 s  replica a leads, token 215", "that was all",
	}
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	if len(lines) != len(want) {
		t.Fatalf("the view is %q, want %d lines", out.String(), len(want))
	}
	for i, line := range lines {
		if !strings.HasSuffix(line, want[i]) {
			t.Errorf("line %d is %q, want ...%q", i, line, want[i])
		}
	}
	if strings.ContainsAny(out.String(), "\x1b\r") {
		t.Errorf("there are control characters in %q", out.String())
	}
}

// terminalView returns a view of a terminal on which only the test draws.
func terminalView(b *board, width int, colour bool) (*view, *bytes.Buffer) {
	out := &bytes.Buffer{}
	return &view{out: out, board: b, full: 10 * time.Second, width: func() int { return width }, colour: colour}, out
}

func TestLiveLinesShowWhatEachReplicaIsDoing(t *testing.T) {
	v, out := terminalView(busyBoard(), 80, false)
	v.draw(true)
	want := []string{
		"replica role term token reconciled lease left",
		"a leader 7 215 1234 █████████████░░ 9.0 s",
		"b standby - - 12",
		"c down - - 0",
	}
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	lines = lines[len(lines)-len(want):]
	for i, line := range lines {
		if got := strings.Join(strings.Fields(line), " "); got != want[i] {
			t.Errorf("live line %d is %q, want %q", i, got, want[i])
		}
	}
}

func TestNarrowTerminalHasSmallerGapsThenAShorterBarThenFewerColumns(t *testing.T) {
	for width, want := range map[int]string{
		75: "a         leader        7        215         1234   █████████████░░  9.0 s",
		70: "a       leader      7      215       1234 █████████████░░  9.0 s",
		60: "a       leader      7      215       1234 █████████░  9.0 s",
		50: "a       leader      7      215       1234  9.0 s",
		45: "a       leader        215       1234  9.0 s",
		30: "a       leader    9.0 s",
	} {
		v, _ := terminalView(busyBoard(), width, false)
		lines := v.lines(v.board.statuses, width)
		if got := strings.TrimSuffix(lines[2], "\n"); got != want {
			t.Errorf("in a terminal %d wide the line is\n%q, want\n%q, below\n%q", width, got, want, lines[1])
		}
	}
}

func TestLiveLinesAreDrawnOverThemselves(t *testing.T) {
	b := busyBoard()
	v, out := terminalView(b, 80, false)
	v.draw(true)
	drawn := strings.Count(out.String(), "\n") - 3 // three lines of the log
	b.say("news")
	out.Reset()
	v.draw(true)
	if want := "\x1b[5F\x1b[J"; drawn != 5 || !strings.HasPrefix(out.String(), want) {
		t.Errorf("%d live lines were drawn, and the next drawing begins %q, want %q", drawn, out.String()[:min(20, out.Len())], want)
	}
	if news, live := strings.Index(out.String(), "news"), strings.Index(out.String(), "leader"); news < 0 || news > live {
		t.Errorf("the news are not above the live lines: %q", out.String())
	}
	out.Reset()
	v.draw(false)
	if got := out.String(); got != "\x1b[5F\x1b[J" {
		t.Errorf("at the end it draws %q, want the live lines wiped out", got)
	}
}

func TestLiveLinesAreNarrowerThanTheTerminal(t *testing.T) {
	for _, width := range []int{0, 1, 20, 63} {
		v, _ := terminalView(busyBoard(), width, false)
		for _, line := range v.lines(v.board.statuses, width) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > max(width-1, 0) {
				t.Errorf("in a terminal %d wide a line has %d characters: %q", width, n, line)
			}
		}
	}
}

func TestColoursEndWithTheLine(t *testing.T) {
	v, out := terminalView(busyBoard(), 80, true)
	v.draw(true)
	if !strings.Contains(out.String(), "\x1b["+green+"ma ") {
		t.Errorf("the leader is not marked in %q", out.String())
	}
	for line := range strings.Lines(out.String()) {
		if strings.Contains(line, "\x1b[") && !strings.HasSuffix(line, "\x1b[0m\n") {
			t.Errorf("%q leaves its colour on", line)
		}
	}
}

func TestFrozenReplicaIsShownAsFrozenThoughItsLastReportsArrive(t *testing.T) {
	b := busyBoard()
	b.note(event{At: b.began, Replica: "a", Kind: frozen})
	b.observe("a", b.began, report.Report{Event: report.EventState, Leading: true, Token: "215"})
	if statuses, _ := b.snapshot(0); statuses[0].Role != isCold {
		t.Errorf("it is shown as %s", statuses[0].Role)
	}
}
