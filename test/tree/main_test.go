// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

// Package tree keeps the rules of the repository's tree. Each rule is also tried on faulty trees. A rule that finds
// nothing there would find nothing anywhere.
package tree

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	root   = "../.."
	module = "github.com/kube-elector/elector"
)

// rule says what is wrong in a tree.
type rule func(tree fs.FS) []string

// keep fails the test for what the rule finds in the repository.
func (r rule) keep(t *testing.T) {
	t.Helper()
	for _, fault := range r(os.DirFS(root)) {
		t.Error(fault)
	}
}

// try fails the test unless the rule finds exactly the faults in a tree with the one file.
func (r rule) try(t *testing.T, name, text string, faults ...string) {
	t.Helper()
	if got := r(fstest.MapFS{name: {Data: []byte(text)}}); !slices.Equal(got, faults) {
		t.Errorf("in a tree with %s\n%s\nfound %q, want %q", name, text, got, faults)
	}
}

// eachFile returns a rule that calls see for each file, and puts the file's name before what it says.
func eachFile(see func(name, text string) []string) rule {
	return func(tree fs.FS) (faults []string) {
		err := fs.WalkDir(tree, ".", func(name string, entry fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if entry.IsDir() && (name == ".git" || name == "bin") {
				return fs.SkipDir
			}
			if !entry.Type().IsRegular() || name == ".git" { // a file in a worktree
				return nil
			}
			text, err := fs.ReadFile(tree, name)
			for _, fault := range see(name, string(text)) {
				faults = append(faults, name+": "+fault)
			}
			return err
		})
		if err != nil {
			faults = append(faults, err.Error())
		}
		return faults
	}
}

// eachGoFile does what eachFile does, for the Go files that people write.
func eachGoFile(see func(name, text string) []string) rule {
	return eachFile(func(name, text string) []string {
		if path.Ext(name) != ".go" || isGenerated(text) {
			return nil
		}
		return see(name, text)
	})
}

func isGenerated(text string) bool {
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "// Code generated ") && strings.HasSuffix(line, " DO NOT EDIT.\n") {
			return true
		}
	}
	return false
}

func faultf(format string, args ...any) []string { return []string{fmt.Sprintf(format, args...)} }
