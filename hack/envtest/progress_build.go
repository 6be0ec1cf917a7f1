// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strings"
)

// listFormat makes `go list -deps` report for each package whether the build cache has it. Stale alone does not say
// that for binaries that are installed elsewhere than `go install` would put them.
const listFormat = `{{.ImportPath}} {{if and .Stale (ne .StaleReason "not installed but available in build cache")}}compile{{end}}`

// A tracker follows a build by the output of the go command.
type tracker struct {
	main       string          // the package that is compiled last, before linking
	modules    int             // the most that are downloaded
	downloaded int             // modules, begun
	packages   map[string]bool // whether each package must be compiled; nil until known
	total      int             // packages to compile
	compiled   int             // packages, begun
	current    string          // module or package
	rest       []string        // the last lines that showed no progress
}

func newTracker(main string, modules int) *tracker { return &tracker{main: main, modules: modules} }

// plan takes what `go list` printed in listFormat.
func (t *tracker) plan(list string) {
	t.packages, t.current = map[string]bool{}, ""
	for line := range strings.Lines(list) {
		path, compile, _ := strings.Cut(strings.TrimSpace(line), " ")
		t.packages[path] = compile != ""
		if compile != "" {
			t.total++
		}
	}
}

// line takes a line from the go command's standard error.
func (t *tracker) line(line string) {
	if module, ok := strings.CutPrefix(line, "go: downloading "); ok {
		t.downloaded++
		t.current = module
		return
	}
	compile, known := t.packages[line]
	if !known {
		t.rest = append(t.rest, line)
		t.rest = t.rest[max(0, len(t.rest)-20):]
		return
	}
	if !compile { // The build cache lost it after the list was made.
		t.total++
	}
	t.compiled++
	t.current = line
}

func (t *tracker) status() string {
	switch {
	case t.packages == nil && t.downloaded == 0:
		return "looking up what is to be compiled"
	case t.packages == nil:
		return fmt.Sprintf("downloading modules: %d of at most %d, %s", t.downloaded, t.modules, t.current)
	case t.total == 0 || t.current == t.main:
		return "linking"
	default:
		return fmt.Sprintf("compiling packages: %d of %d (%d%%) %s", t.compiled, t.total, 100*t.compiled/t.total, t.current)
	}
}

// explain adds the go command's last lines to its error.
func (t *tracker) explain(err error) error {
	if len(t.rest) == 0 {
		return err
	}
	return fmt.Errorf("%w; the last lines of its output:\n\t%s", err, strings.Join(t.rest, "\n\t"))
}
