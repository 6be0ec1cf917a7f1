// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package tree

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

// wrapWidth is the width of comments in columns, of which a tab is one.
const wrapWidth = 120

// prose matches a line of a comment that is neither code, a list, a directive nor a link.
var prose = regexp.MustCompile(`^(\t*// )([^\s\-*+#\[|<\d][^\t]*)$`)

// wraps returns a fault for every line of a comment that is too wide, and for every one that has room for the next
// word.
func wraps(_, text string) (wide, early []string) {
	lines, output := strings.Split(text, "\n"), false
	for i, line := range lines {
		code := !strings.HasPrefix(strings.TrimLeft(line, "\t"), "//")
		output = !code && (output || strings.HasSuffix(strings.ToLower(line), "output:")) // that of an example
		this := prose.FindStringSubmatch(line)
		if this == nil || output || strings.HasPrefix(this[2], "SPDX-") {
			continue
		}
		width := utf8.RuneCountInString(line)
		if width > wrapWidth && strings.Contains(this[2], " ") {
			wide = append(wide, faultf("line %d has %d columns: wrap comments at %d", i+1, width, wrapWidth)...)
		}
		if i+1 == len(lines) {
			continue
		}
		if next := prose.FindStringSubmatch(lines[i+1]); next != nil && next[1] == this[1] {
			word, _, _ := strings.Cut(next[2], " ")
			if width+1+utf8.RuneCountInString(word) <= wrapWidth {
				early = append(early, faultf("line %d has room for %q", i+1, word)...)
			}
		}
	}
	return wide, early
}

func TestCommentsAreWrappedAtOneWidth(t *testing.T) {
	wide := eachGoFile(func(name, text string) []string {
		wide, _ := wraps(name, text)
		return wide
	})
	wide.keep(t)
	wide.try(t, "a.go", "// "+strings.Repeat("x ", 60)+"\n", "a.go: line 1 has 123 columns: wrap comments at 120")
	wide.try(t, "a.go", "// "+strings.Repeat("x ", 58)+"x\n\t// "+strings.Repeat("x", 200)+"\n")

	// There may be fewer, and must not be more.
	const most = 220
	early := eachGoFile(func(name, text string) []string {
		_, early := wraps(name, text)
		return early
	})
	early.try(t, "a.go", "// One line\n// and another.\n", `a.go: line 1 has room for "and"`)
	early.try(t, "a.go", "// One line.\n//\n// Another.\n//   - and a list\n")
	early.try(t, "a.go", "// SPDX-FileCopyrightText: A\n// SPDX-License-Identifier: B\n")
	faults := early(os.DirFS(root))
	t.Logf("%d lines are wrapped early", len(faults))
	if len(faults) > most {
		t.Errorf("%d lines of comments are wrapped before column %d, at most %d may be", len(faults), wrapWidth, most)
		for _, fault := range faults {
			t.Log(fault)
		}
	}
}
