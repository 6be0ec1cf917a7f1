// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

func TestTableHasARowForEachChange(t *testing.T) {
	found, err := changes(threeChanges())
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	header, rows := table(found)
	writeTable(&out, header, rows, 80)
	want := []string{
		"# what happened leader token gap to work reported renewal",
		"1 clean stop (SIGTERM) a → b 10 → 20 15 ms 17 ms - -",
		"2 crash (SIGKILL) b → c 20 → 30 2.92 s 2.94 s 820 ms 3.02 s",
		"3 freeze (SIGSTOP) c → a 30 → 40 2.91 s 2.91 s - 3.01 s",
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != len(want) {
		t.Fatalf("the table is\n%s", out.String())
	}
	for i, line := range lines {
		if got := strings.Join(strings.Fields(line), " "); got != want[i] {
			t.Errorf("line %d is %q, want %q", i, got, want[i])
		}
	}
}

func TestTableHasALineForEachValueWhereItIsTooWide(t *testing.T) {
	found, err := changes(threeChanges())
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	header, rows := table(found)
	writeTable(&out, header, rows, 60)
	if n := widest(out.String()); n > 60 {
		t.Errorf("it is %d wide:\n%s", n, out.String())
	}
	text := strings.Join(strings.Fields(out.String()), " ")
	if !strings.Contains(text, "#: 2 what happened: crash (SIGKILL) leader: b → c token: 20 → 30 gap: 2.92 s") {
		t.Errorf("the table is\n%s", out.String())
	}
}

func TestTextIsWrapped(t *testing.T) {
	if got, want := wrap("a bc d efghijk l", 6), "a bc d\n  efghijk\n  l"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestLostLeaseIsInTheTableWithoutASignal(t *testing.T) {
	found, err := changes([]event{h(0, "a", leading, "1"), h(10, "a", stopped, "1"), h(30, "b", leading, "2")})
	if err != nil {
		t.Fatal(err)
	}
	if _, rows := table(found); len(rows) != 1 || rows[0][1] != "lost lease" || rows[0][4] != "20 ms" {
		t.Errorf("the rows are %q", rows)
	}
}

func TestPathsAreShownAsOneWordOfACommand(t *testing.T) {
	for path, want := range map[string]string{
		"/home/a/bin/kubeconfig":    "/home/a/bin/kubeconfig",
		"/home/a b/c d":             "'/home/a b/c d'",
		"/it's":                     `'/it'\''s'`,
		"/a;b":                      "'/a;b'",
		"":                          "''",
		"/home/größe_1-2/x.y+z,@%=": "/home/größe_1-2/x.y+z,@%=",
	} {
		if got := shellWord(path); got != want {
			t.Errorf("%q: got %s, want %s", path, got, want)
		}
	}
}

func TestDurationsAreShownToWhatCanBeBelieved(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0:                                  "0.0 ms",
		1234567 * time.Nanosecond:          "1.2 ms",
		15 * time.Millisecond:              "15 ms",
		999900 * time.Microsecond:          "999 ms",
		15034 * time.Millisecond:           "15.03 s",
		2*time.Minute + 3*time.Millisecond: "2m0s",
		-3 * time.Millisecond:              "-3 ms",
	} {
		if got := short(d); got != want {
			t.Errorf("%v is shown as %q, want %q", d, got, want)
		}
	}
}
