// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package tree

import (
	"errors"
	"fmt"
	"go/format"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// between is the line above a diff in Markdown. It names the files that the diff is between, or has some of the hunks
// for.
//
//	<!-- diff: examples/over/manager/before/main.go examples/over/manager/after/main.go -->
//	<!-- diff: examples/over/manager/before/main.go examples/over/manager/after/main.go, in part -->
var between = regexp.MustCompile(`^\s*<!-- diff: (\S+) (\S+?)(, in part)? -->\n$`)

// diffs finds diffs in Markdown that do not turn the one file into the other.
func diffs(tree fs.FS) []string {
	return eachFile(func(name, text string) (faults []string) {
		if path.Ext(name) != ".md" {
			return nil
		}
		for _, b := range blocks(text) {
			if b.language != "diff" {
				continue
			}
			files := between.FindStringSubmatch(b.above)
			if files == nil {
				faults = append(faults, "a diff has no <!-- diff: before after --> above it")
				continue
			}
			before, err := fs.ReadFile(tree, files[1])
			if err != nil {
				return faultf("%v", err)
			}
			after, err := fs.ReadFile(tree, files[2])
			if err != nil {
				return faultf("%v", err)
			}
			if err := isBetween(b.text, string(before), string(after), files[3] == ""); err != nil {
				faults = append(faults, fmt.Sprintf("the diff of %s: %v", files[1], err))
			}
		}
		return faults
	})(tree)
}

// isBetween returns an error unless the diff makes the text before the one after, or, if it is not whole, some changes
// between them.
func isBetween(diff, before, after string, whole bool) error {
	patched, err := patch(before, diff)
	if err != nil || patched == after {
		return err
	}
	if whole {
		return errors.New("something else comes of it")
	}
	_, err = patch(after, swapped.Replace("\n" + diff)[1:])
	return err
}

// swapped takes back what a diff does.
var swapped = strings.NewReplacer("\n-", "\n+", "\n+", "\n-")

// patch applies a diff to a text. A line that begins with @@ begins a hunk. The other lines of a hunk begin with a
// space, a minus or a plus, or are empty, which stands for a space. Each hunk is applied where it first fits after the
// one before.
func patch(text, diff string) (string, error) {
	var patched, old, changed []string
	rest := strings.Split(text, "\n")
	for line := range strings.SplitSeq(diff+"@@", "\n") {
		mark, line := line[:min(1, len(line))], line[min(1, len(line)):]
		switch mark {
		case " ", "":
			old, changed = append(old, line), append(changed, line)
		case "-":
			old = append(old, line)
		case "+":
			changed = append(changed, line)
		case "@":
			at := 0
			for at+len(old) <= len(rest) && !slices.Equal(rest[at:at+len(old)], old) {
				at++
			}
			if at+len(old) > len(rest) {
				return "", fmt.Errorf("the file does not have the lines\n%s", strings.Join(old, "\n"))
			}
			patched, rest = append(append(patched, rest[:at]...), changed...), rest[at+len(old):]
			old, changed = nil, nil
		default:
			return "", fmt.Errorf("%q begins with neither a space nor - nor +", mark+line)
		}
	}
	return strings.Join(append(patched, rest...), "\n"), nil
}

func TestDiffsInMarkdownAreBetweenFilesOfTheTree(t *testing.T) {
	rule(diffs).keep(t)

	const (
		before = "a\n\nb\nc\nd\n"
		after  = "a\n\nB\nc\nd\ne\n"
		above  = "<!-- diff: before.go after.go -->\n"
		part   = "<!-- diff: before.go after.go, in part -->\n"
	)
	for _, try := range []struct{ comment, diff, fault string }{
		{above, " a\n\n-b\n+B\n@@\n d\n+e\n", ""},
		{above, "@@ -1,2 @@\n-b\n+B\n@@ -5 @@\n d\n+e\n", ""},
		{above, "-b\n+B\n", "the diff of before.go: something else comes of it"},
		{part, "-b\n+B\n", ""},
		{part, "-b\n+X\n", "the diff of before.go: the file does not have the lines\nX"},
		{above, "-x\n+B\n", "the diff of before.go: the file does not have the lines\nx"},
		{above, "@@\n-d\n+d\n+e\n@@\n-b\n+B\n", "the diff of before.go: the file does not have the lines\nb"},
		{above, "b\n", `the diff of before.go: "b" begins with neither a space nor - nor +`},
		{"Text\n", "-b\n+B\n", "a diff has no <!-- diff: before after --> above it"},
		{"<!-- diff: before.go gone.go -->\n", "-b\n+B\n", "open gone.go: file does not exist"},
	} {
		var want []string
		if try.fault != "" {
			want = []string{"README.md: " + try.fault}
		}
		for _, indent := range []string{"", "   "} {
			text := strings.ReplaceAll("\n"+try.comment+"```diff\n"+try.diff+"```", "\n", "\n"+indent) + "\n"
			got := diffs(fstest.MapFS{"README.md": {Data: []byte(text)}, "before.go": {Data: []byte(before)}, "after.go": {Data: []byte(after)}})
			if !slices.Equal(got, want) {
				t.Errorf("in\n%sfound %q, want %q", text, got, want)
			}
		}
	}
}

// Go whose imports this module does not have is kept as text. It must at least be formatted Go.
func TestGoThatIsKeptAsTextIsFormatted(t *testing.T) {
	formatted := eachFile(func(name, text string) []string {
		if !strings.HasSuffix(name, ".go.txt") {
			return nil
		}
		want, err := format.Source([]byte(text))
		if err != nil {
			return faultf("%v", err)
		}
		if string(want) != text {
			return faultf("is not formatted as gofmt does")
		}
		return nil
	})
	formatted.keep(t)

	formatted.try(t, "a.go.txt", "package a\n\nvar b = 1\n")
	formatted.try(t, "a.go.txt", "package a\n\nvar b=1\n", "a.go.txt: is not formatted as gofmt does")
	formatted.try(t, "a.go.txt", "package\n", "a.go.txt: 1:9: expected 'IDENT', found 'EOF'")
}
