// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestNothingInALeaseReachesTheTerminalAsAnEscapeSequence(t *testing.T) {
	for in, want := range map[string]string{
		"pod-1_0b1d":            "pod-1_0b1d",
		"a\x1b[31mred":          `a\x1b[31mred`,
		"a\nb\tc\r\x00\x7f":     `a\x0ab\x09c\x0d\x00\x7f`,
		"\u009b31m":             `\u009b31m`,
		"\xff\xfe":              `\xff\xfe`,
		"a\u202eb\u2066c\u200d": `a\u202eb\u2066c\u200d`,
		"אב":                    `\u05d0\u05d1`,
		"é日本":                   "é日本",
		"e\u0301":               `e\u0301`,
		"\U000e0041":            `\U000e0041`,
		"a b":                   "a b",
		"\u2028":                `\u2028`,
	} {
		if got := clean(in); got != want {
			t.Errorf("clean(%q) = %s, want %s", in, got, want)
		}
	}
}

func TestCleanTextIsAlwaysOneHarmlessLine(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		in := make([]byte, random.IntN(30))
		for i := range in {
			in[i] = byte(random.UintN(256))
		}
		for _, text := range []string{clean(string(in)), clean(string([]rune{rune(random.IntN(0x110000))}))} {
			if !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return !harmless(r) }) {
				t.Fatalf("clean(%q) = %q", in, text)
			}
			limit := random.IntN(20)
			if got := elide(text, limit); columns(got) > limit {
				t.Fatalf("elide(%q, %d) = %q, of %d columns", text, limit, got, columns(got))
			}
		}
	}
}

func TestAMegabyteOfAHolderIsNotShown(t *testing.T) {
	if got := show("begin" + strings.Repeat("\x1b", 1<<20) + "end"); columns(got) != 500 || !strings.HasPrefix(got, "begin") || !strings.HasSuffix(got, "end") {
		t.Errorf("%d columns: %s", columns(got), got)
	}
}

func TestElidedTextKeepsBothEnds(t *testing.T) {
	for _, try := range []struct {
		text  string
		limit int
		want  string
	}{
		{"operator-abcdef", 15, "operator-abcdef"},
		{"operator-abcdef", 11, "opera…bcdef"},
		{"operator-abcdef", 1, "…"},
		{"operator-abcdef", 0, ""},
		{"日本語日本語", 8, "日…本語"},
	} {
		if got := elide(try.text, try.limit); got != try.want {
			t.Errorf("elide(%q, %d) = %q, want %q", try.text, try.limit, got, try.want)
		}
	}
}

func TestPrintedJSONIsASCIIAndMeansTheSame(t *testing.T) {
	in := map[string]string{"holder": "a\u009b\u202eé日\U0001f600<&>\x1b\x7f"}
	text, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	text = ascii(text)
	for _, b := range text {
		if b < ' ' || b > '~' {
			t.Fatalf("there is %#x in %s", b, text)
		}
	}
	var out map[string]string
	if err := json.Unmarshal(text, &out); err != nil || out["holder"] != in["holder"] {
		t.Errorf("%s is %q: %v", text, out, err)
	}
}
