// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const (
	theirModule = "sigs.k8s.io/controller-runtime"
	ourModule   = "github.com/kube-elector/elector"
	// subjectDir holds the package that makes the managers of the suites.
	subjectDir = "pkg/subject"
)

//go:embed subject.txt
var subject []byte

// copied returns the directory of a suite's package in the copy. The tests of builder are in builder itself, which
// manager imports. They would import themselves.
func copied(suite string) string {
	if suite == "pkg/builder" {
		return "pkg/copied/builder"
	}
	return suite
}

// prepare makes work a directory with a copy of controller-runtime's module whose suites make their managers by the
// subject.
func prepare(ctx context.Context, work, modfile string) error {
	theirs, err := moduleDir(ctx, modfile, theirModule)
	if err != nil {
		return err
	}
	ours, err := moduleDir(ctx, modfile, ourModule)
	if err != nil {
		return err
	}
	if err := os.RemoveAll(work); err != nil {
		return err
	}
	module := filepath.Join(work, "module")
	if err := os.MkdirAll(filepath.Join(work, "suites"), 0o755); err != nil {
		return err
	}
	for _, name := range []string{"pkg", "examples/crd", "alias.go", "doc.go", "go.mod"} {
		if err := copyTree(filepath.Join(theirs, name), filepath.Join(module, name)); err != nil {
			return err
		}
	}
	for _, suite := range suites {
		if copied(suite) != suite {
			if err := copyTree(filepath.Join(theirs, suite), filepath.Join(module, copied(suite))); err != nil {
				return err
			}
		}
		if err := patch(filepath.Join(module, copied(suite))); err != nil {
			return err
		}
	}
	if err := write(filepath.Join(module, subjectDir, "subject.go"), subject); err != nil {
		return err
	}
	var sums []byte
	for _, dir := range []string{theirs, ours} {
		sum, err := os.ReadFile(filepath.Join(dir, "go.sum"))
		if err != nil {
			return err
		}
		sums = append(sums, sum...)
	}
	if err := write(filepath.Join(module, "go.sum"), sums); err != nil {
		return err
	}
	if err := command(ctx, module, nil, "go", "mod", "edit", "-require="+ourModule+"@v0.0.0", "-replace="+ourModule+"="+ours); err != nil {
		return err
	}
	return command(ctx, module, nil, "go", "mod", "tidy")
}

func moduleDir(ctx context.Context, modfile, module string) (string, error) {
	dir, err := exec.CommandContext(ctx, "go", "list", "-modfile="+modfile, "-m", "-f", "{{.Dir}}", module).Output()
	if err != nil {
		return "", fmt.Errorf("go list -m %s: %w", module, err)
	}
	return strings.TrimSpace(string(dir)), nil
}

// copyTree copies a file or a directory. Files of the module cache are read-only, their copies are not.
func copyTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return write(filepath.Join(to, strings.TrimPrefix(path, from)), content)
	})
}

func write(path string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, content, 0o644)
}

// patch makes the tests of a suite make their managers by the subject.
func patch(dir string) error {
	tests, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		return err
	}
	for _, name := range tests {
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		patched := bytes.ReplaceAll(text, []byte("manager.New("), []byte("subject.New("))
		// One spec reads an unexported field of controller-runtime's manager.
		patched = bytes.ReplaceAll(patched, []byte("reflect.ValueOf(mgr)"), []byte("reflect.ValueOf(subject.Inner(mgr))"))
		if bytes.Equal(patched, text) {
			continue
		}
		patched = bytes.Replace(patched, []byte("import ("), []byte("import (\n\t\""+theirModule+"/"+subjectDir+"\""), 1)
		patched = append(patched, "\nvar _ manager.Manager\n"...) // or its import may be left unused
		if err := write(name, patched); err != nil {
			return err
		}
	}
	return nil
}
