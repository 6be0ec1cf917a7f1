// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package tree

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// clone returns a copy of the tree in a directory with a space in its name. Git takes it for another user's. It is
// always the same directory, so that what was built there before need not be built again.
func clone(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join(root, "bin", "a clone"))
	if err == nil {
		err = os.RemoveAll(dir)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	err = filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(root, name)
		if err != nil || relative == ".git" || relative == "bin" {
			return skip(entry, err)
		}
		to := filepath.Join(dir, relative)
		if entry.IsDir() {
			return os.MkdirAll(to, 0o755)
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		return os.WriteFile(to, text, 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "git", "-C", dir, "init", "-q").CombinedOutput(); err != nil {
		t.Fatalf("git init: %v\n%s", err, out)
	}
	return dir
}

func skip(entry fs.DirEntry, err error) error {
	if err == nil && entry.IsDir() {
		return fs.SkipDir
	}
	return err
}

// makeIn calls make in an environment where little is as it usually is.
func makeIn(t *testing.T, dir string, args ...string) (string, error) {
	t.Helper()
	assets := t.TempDir()
	for _, name := range []string{"kube-apiserver", "etcd"} {
		if err := os.WriteFile(filepath.Join(assets, name), []byte("#!/bin/sh\n"), 0o755); err != nil { //nolint:gosec // It is run.
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "make", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_TEST_ASSUME_DIFFERENT_OWNER=1", "GOFLAGS=-mod=vendor -buildvcs=true", "TERM=dumb",
		"KUBEBUILDER_ASSETS="+assets, "MAKEFLAGS=", "MAKELEVEL=")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func TestACloneOfAnotherUserInAPathWithASpaceBuilds(t *testing.T) {
	dir := clone(t)
	out, err := makeIn(t, dir, "demo", "DEMO_FLAGS=-help")
	if err != nil || !strings.Contains(out, "-lease-duration") {
		t.Errorf("make demo: %v\n%s", err, out)
	}
	out, err = makeIn(t, dir, "-n", "lint", "bench")
	if tool := "'" + dir + "/bin/tools/"; err != nil || !strings.Contains(out, tool) || !strings.Contains(out, "-buildvcs=false -o bin/bench") {
		t.Errorf("make -n: %v\n%s", err, out)
	}
}

func TestWithoutCgoTheTestsSayWhatIsMissing(t *testing.T) {
	out, err := makeIn(t, root, "test", "CGO_ENABLED=0")
	if err == nil || !strings.Contains(out, "the race detector needs cgo and a C compiler") {
		t.Errorf("make test: %v\n%s", err, out)
	}
}
