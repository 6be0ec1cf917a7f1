// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package tree

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// origin is the line above a block of Go in Markdown. Without a function it may come from anywhere in the file.
//
//	<!-- example: elector/example_test.go#Example -->
var (
	origin = regexp.MustCompile(`^<!-- example: (\S+?)(?:#(\w+))? -->\n$`)
	link   = regexp.MustCompile(`\]\(([^)#\s]+)`)
)

// block is a fenced block in Markdown, without the indentation of its list.
type block struct{ above, indent, language, text string }

func blocks(markdown string) (all []block) {
	var above string
	var open *block
	for line := range strings.Lines(markdown) {
		indent, _, _ := strings.Cut(line, "```")
		language, fence := strings.CutPrefix(strings.TrimSpace(line), "```")
		switch {
		case open == nil && fence:
			open = &block{above: above, indent: indent, language: language}
		case open != nil && fence:
			all = append(all, *open)
			open = nil
		case open != nil:
			open.text += strings.TrimPrefix(line, open.indent)
		}
		above = line
	}
	return all
}

// examples finds Go in Markdown that does not stand, word for word, in a file that is compiled.
func examples(tree fs.FS) []string {
	return eachFile(func(name, text string) (faults []string) {
		if path.Ext(name) != ".md" {
			return nil
		}
		for _, b := range blocks(text) {
			if b.language != "go" {
				continue
			}
			first, _, _ := strings.Cut(b.text, "\n")
			from := origin.FindStringSubmatch(b.above)
			if from == nil {
				faults = append(faults, "the Go at "+first+" has no <!-- example: file#function --> above it")
				continue
			}
			file, function := from[1], from[2]
			source, err := fs.ReadFile(tree, file)
			if err != nil {
				faults = append(faults, err.Error())
			} else if !standsIn(b.text, function, string(source)) {
				faults = append(faults, "the Go at "+first+" does not stand like this in "+strings.Trim(file+"#"+function, "#"))
			}
		}
		return faults
	})(tree)
}

// standsIn says whether the lines of code stand in the source, all of them indented as much as you like. If function is
// not empty, they must stand in the function of that name.
func standsIn(code, function, source string) bool {
	if function != "" {
		source = functionText(function, source)
	}
	want, have := strings.Split(strings.TrimSuffix(code, "\n"), "\n"), strings.Split(source, "\n")
	for i := 0; i+len(want) <= len(have); i++ {
		indent, ok := strings.CutSuffix(have[i], want[0])
		if ok && strings.Trim(indent, "\t") == "" && slices.EqualFunc(want, have[i:i+len(want)], func(w, h string) bool {
			return indent+w == h || w+h == ""
		}) {
			return true
		}
	}
	return false
}

func functionText(name, source string) string {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, "", source, parser.SkipObjectResolution)
	if err != nil {
		return ""
	}
	for _, decl := range file.Decls {
		if f, ok := decl.(*ast.FuncDecl); ok && f.Name.Name == name {
			// The line's beginning is the line's indentation, which gofmt leaves empty.
			return source[files.Position(f.Pos()).Offset:files.Position(f.End()).Offset]
		}
	}
	return ""
}

func TestGoInMarkdownIsCompiled(t *testing.T) {
	rule(examples).keep(t)

	const (
		source = "package a\n\nfunc Example() {\n\tif x {\n\n\t\ty()\n\t}\n}\n\nfunc other() {\n\tz()\n}\n"
		fence  = "```"
	)
	for _, try := range []struct{ comment, code, fault string }{
		{"<!-- example: a/a.go -->\n", "func other() {\n\tz()\n}\n", ""},
		{"<!-- example: a/a.go#Example -->\n", "if x {\n\n\ty()\n}\n", ""},
		{"<!-- example: a/a.go#Example -->\n", "func Example() {\n\tif x {\n", ""},
		{"", "y()\n", "the Go at y() has no <!-- example: file#function --> above it"},
		{"Text\n", "y()\n", "the Go at y() has no <!-- example: file#function --> above it"},
		{"<!-- example: a/a.go -->\n", "y() // !\n", "the Go at y() // ! does not stand like this in a/a.go"},
		{"<!-- example: a/a.go -->\n", "if x {\n\n\tz()\n}\n", "the Go at if x { does not stand like this in a/a.go"},
		{"<!-- example: a/a.go -->\n", "if x {\n\ty()\n}\n", "the Go at if x { does not stand like this in a/a.go"},
		{"<!-- example: a/a.go#Example -->\n", "z()\n", "the Go at z() does not stand like this in a/a.go#Example"},
		{"<!-- example: a/a.go#Gone -->\n", "z()\n", "the Go at z() does not stand like this in a/a.go#Gone"},
		{"<!-- example: a/b.go -->\n", "z()\n", "open a/b.go: file does not exist"},
	} {
		text := "# A\n\n" + try.comment + fence + "go\n" + try.code + fence + "\n\nText\n"
		var want []string
		if try.fault != "" {
			want = []string{"README.md: " + try.fault}
		}
		tree := fstest.MapFS{"README.md": {Data: []byte(text)}, "a/a.go": {Data: []byte(source)}}
		if got := examples(tree); !slices.Equal(got, want) {
			t.Errorf("in\n%sfound %q, want %q", text, got, want)
		}
	}
}

func TestLinksInMarkdownLeadSomewhere(t *testing.T) {
	links := rule(func(tree fs.FS) []string {
		return eachFile(func(name, text string) (faults []string) {
			if path.Ext(name) != ".md" {
				return nil
			}
			for _, found := range link.FindAllStringSubmatch(text, -1) {
				if strings.Contains(found[1], "://") || strings.HasPrefix(found[1], "mailto:") {
					continue
				}
				if _, err := fs.Stat(tree, path.Join(path.Dir(name), found[1])); err != nil {
					faults = append(faults, "links to "+found[1]+", which is not there")
				}
			}
			return faults
		})(tree)
	})
	links.keep(t)

	links.try(t, "docs/a.md", "[a](a.md) [b](../docs/a.md#b) [c](https://example.com) [d](#d)")
	links.try(t, "docs/a.md", "[a](b.md) ![c](c/d.svg)", "docs/a.md: links to b.md, which is not there",
		"docs/a.md: links to c/d.svg, which is not there")
}
