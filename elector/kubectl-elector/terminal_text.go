// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/unicode/bidi"
	"golang.org/x/text/width"
)

const ellipsis = "…"

// clean returns s in a form that is safe to print on a terminal, in one line. Anybody with access to a Lease may put
// anything into it. So control characters, escape sequences, invalid UTF-8, combining marks and characters that change
// the direction of the text are escaped as in Go.
func clean(s string) string {
	var out strings.Builder
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size <= 1:
			fmt.Fprintf(&out, `\x%02x`, s[i])
		case harmless(r):
			out.WriteRune(r)
		case r < 0x80:
			fmt.Fprintf(&out, `\x%02x`, r)
		case r < 0x10000:
			fmt.Fprintf(&out, `\u%04x`, r)
		default:
			fmt.Fprintf(&out, `\U%08x`, r)
		}
		i += size
	}
	return out.String()
}

// show returns clean text of 500 columns at most. A Lease may hold a megabyte of text. JSON has all of it.
func show(text string) string {
	const limit = 500
	if len(text) > 10*limit {
		text = text[:5*limit] + text[len(text)-5*limit:]
	}
	return elide(clean(text), limit)
}

func harmless(r rune) bool {
	if !unicode.IsPrint(r) || unicode.IsMark(r) {
		return false
	}
	properties, _ := bidi.LookupRune(r)
	class := properties.Class()
	return class != bidi.R && class != bidi.AL
}

// ascii returns the JSON with everything escaped that is not ASCII. It means the same to a program, and is safe to
// print on a terminal.
func ascii(json []byte) []byte {
	out := make([]byte, 0, len(json))
	for _, r := range string(json) {
		switch {
		case r < 0x7f:
			out = append(out, byte(r))
		case r < 0x10000:
			out = fmt.Appendf(out, `\u%04x`, r)
		default:
			high, low := utf16.EncodeRune(r)
			out = fmt.Appendf(out, `\u%04x\u%04x`, high, low)
		}
	}
	return out
}

// columns returns how many columns of a terminal a clean text takes.
func columns(text string) (n int) {
	for _, r := range text {
		n += columnsOf(r)
	}
	return n
}

func columnsOf(r rune) int {
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	}
	return 1
}

// elide returns the text in at most limit columns. It leaves out the middle, because what tells one name from another
// is mostly at an end.
func elide(text string, limit int) string {
	if columns(text) <= limit {
		return text
	}
	if limit < 1 {
		return ""
	}
	runes := []rune(text)
	left := limit - 1
	head := take(runes, left/2, false)
	left -= columns(string(runes[:head]))
	tail := take(runes[head:], left, true)
	return string(runes[:head]) + ellipsis + string(runes[len(runes)-tail:])
}

// take returns how many runes, from the beginning or the end, fit into limit columns.
func take(runes []rune, limit int, end bool) (n int) {
	for n < len(runes) {
		r := runes[n]
		if end {
			r = runes[len(runes)-1-n]
		}
		if limit -= columnsOf(r); limit < 0 {
			break
		}
		n++
	}
	return n
}

// wrap returns the text as lines of at most limit columns. A word that is longer stays whole, so that it can be copied.
func wrap(text string, limit int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && columns(line)+1+columns(word) > limit {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}
