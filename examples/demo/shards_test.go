// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/kube-elector/elector/examples/operator/report"
)

// sharingBoard has four shards. First a has all, then b joins and gets two, and then a crashes.
func sharingBoard() *board {
	b := newBoard([]string{"a", "b"})
	b.sharing = &sharing{holders: make([]string, 4)}
	for shard := range 4 {
		b.hold(shard, "a", at(0))
	}
	b.hold(0, "", at(1000))
	b.hold(0, "b", at(1020))
	b.hold(1, "", at(1010))
	b.hold(1, "b", at(1050))
	b.did(act{Name: "joins", Replica: "b", Began: at(900), Done: at(1050)})
	b.dropAll("a", at(2000))
	b.hold(2, "b", at(4000))
	b.hold(3, "b", at(4100))
	b.did(act{Name: "crashes", Replica: "a", Began: at(2000), Done: at(4100)})
	return b
}

func TestTableOfShardsHasWhatEachChangeCost(t *testing.T) {
	_, rows := sharingBoard().sharing.table()
	want := []string{"1 joins b 2 of 4 40 ms 150 ms", "2 crashes a 2 of 4 2.10 s 2.10 s"}
	for i, row := range rows {
		if got := strings.Join(row, " "); got != want[i] {
			t.Errorf("row %d is %q, want %q", i, got, want[i])
		}
	}
}

func TestSharesAreEvenIfNobodyElseHasAny(t *testing.T) {
	for holders, want := range map[string]bool{"aabb": true, "aaab": false, "aabc": false, "aab": true, "aab-": false, "abbb": false} {
		s := &sharing{holders: strings.Split(strings.ReplaceAll(holders, "-", ""), "")}
		if strings.Contains(holders, "-") {
			s.holders = append(s.holders, "")
		}
		if got := s.even([]string{"a", "b"}); got != want {
			t.Errorf("%s: even is %v", holders, got)
		}
	}
}

func TestShardsAreShownAsFarAsThereIsRoom(t *testing.T) {
	b := sharingBoard()
	b.note(event{At: b.began, Replica: "b", Kind: up})
	b.observe("b", b.began, report.Report{Event: report.EventState, Reconciled: 12})
	for width, want := range map[int]string{
		80: "b         working            12        4   ████",
		50: "b       working          12      4 ████",
		37: "b       working       4 ████",
		20: "b       working    ",
	} {
		v, _ := terminalView(b, width, false)
		lines := v.lines(b.statuses, width)
		if got := strings.TrimSuffix(lines[3], "\n"); got != want {
			t.Errorf("in a terminal %d wide the line is\n%q, want\n%q, below\n%q", width, got, want, lines[1])
		}
		for _, line := range lines {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > width-1 {
				t.Errorf("in a terminal %d wide a line has %d characters", width, n)
			}
		}
	}
}

func TestPictureOfShardsHasABoxForEachTimeOneIsHeld(t *testing.T) {
	b := sharingBoard()
	p := page{Title: "Who held what"}
	p.Header, p.Rows = b.sharing.table()
	_, html := drawnOn(t, p, "shards.svg.tmpl", b.sharing.draw(p.Title, "a <b>", b.names(), at(5000)))
	for what, want := range map[string]int{`class="lane"`: 4, `class="held"`: 8, `class="act"`: 2, "replica b holds shard 2 from 4.000 s to 5.000 s": 1} {
		if n := strings.Count(html, what); n != want {
			t.Errorf("%s occurs %d times, want %d", what, n, want)
		}
	}
}

// shareRow matches a row of the summary of shards, with what was done, to which replica, and the shards that moved.
var shareRow = regexp.MustCompile(`(?m)^\d +(joins again|joins|leaves \(SIGTERM\)|crashes \(SIGKILL\)) +(\w) +(\d+) of 16 +(\S+ m?s) `)

func TestDemoShowsReplicasThatShareShards(t *testing.T) {
	assets(t)
	d := startDemo(t, append([]string{"--shards=16"}, shortTimes...)...)
	if code := d.awaitEnd(); code != 0 {
		t.Fatalf("it ended with exit code %d", code)
	}
	rows := shareRow.FindAllStringSubmatch(d.text(), -1)
	if len(rows) != 4 {
		t.Fatalf("the table has %d rows: %q", len(rows), rows)
	}
	for _, row := range rows {
		if row[3] != "5" && row[3] != "6" {
			t.Errorf("%s shards of 16 moved when %s %s", row[3], row[2], row[1])
		}
		if gap := parseGap(t, row[4]); gap > 2900*time.Millisecond { // A lease of 4s that must lapse takes longer.
			t.Errorf("a shard was not served for %v when %s %s", gap, row[2], row[1])
		}
	}
	if !strings.Contains(d.text(), " 0 of them by a former leader") {
		t.Error("it does not say that no leader of the past has written")
	}
	for _, name := range []string{"timeline.svg", "timeline.html"} {
		text, err := os.ReadFile(filepath.Join(d.dir, "out", name))
		if err != nil || strings.Count(string(text), `class="lane"`) != 16 {
			t.Errorf("%s does not have sixteen shards (%v)", name, err)
		}
	}
}
