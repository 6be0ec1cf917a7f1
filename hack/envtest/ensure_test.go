// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// ensureIn runs ensure as the program does, without its display.
func ensureIn(t *testing.T, dir string, download bool) error {
	t.Helper()
	show := newDisplay(io.Discard, nil)
	defer show.close()
	return ensure(t.Context(), recipes, dir, download, "", show)
}

// ensureKubernetes does so for a release of Kubernetes.
func ensureKubernetes(t *testing.T, dir, asked string) error {
	t.Helper()
	show := newDisplay(io.Discard, nil)
	defer show.close()
	return ensure(t.Context(), recipes, dir, false, asked, show)
}

func wantCalls(t *testing.T, calls func() []string, want ...string) {
	t.Helper()
	if got := calls(); !slices.Equal(got, want) {
		t.Fatalf("the go command was made to build %q, want %q", got, want)
	}
}

// wantFiles fails the test unless dir holds exactly these files and the lock.
func wantFiles(t *testing.T, dir string, want ...string) {
	t.Helper()
	want = append(want, ".lock")
	slices.Sort(want)
	if got := filesIn(t, dir); !slices.Equal(got, want) {
		t.Fatalf("%s has %q, want %q", dir, got, want)
	}
}

func filesIn(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	slices.Sort(names)
	return names
}

func TestBinariesAreBuiltOnce(t *testing.T) {
	calls := useFakeGo(t, "ok")
	dir := filepath.Join(t.TempDir(), "bin", "envtest")
	for range 2 {
		if err := ensureIn(t, dir, false); err != nil {
			t.Fatal(err)
		}
		if err := checkAssets(dir); err != nil {
			t.Fatal(err)
		}
		wantCalls(t, calls, "etcd", "kube-apiserver")
	}
}

func TestTheProgramsOfANodeAreBuiltApart(t *testing.T) {
	calls := useFakeGo(t, "ok")
	dir := t.TempDir()
	show := newDisplay(io.Discard, nil)
	defer show.close()
	var want []string
	for _, r := range nodeRecipes {
		want = append(want, r.name)
	}
	for range 2 {
		if err := ensure(t.Context(), nodeRecipes, dir, false, "", show); err != nil {
			t.Fatal(err)
		}
		wantCalls(t, calls, want...)
	}
}

func TestOnlyWhatIsNotAsPinnedIsBuiltAgain(t *testing.T) {
	for name, spoil := range map[string]func(dir string) error{
		"removed":     func(dir string) error { return os.Remove(filepath.Join(dir, "kube-apiserver")) },
		"cut off":     func(dir string) error { return os.Truncate(filepath.Join(dir, "kube-apiserver"), 5) },
		"no program":  func(dir string) error { return os.Chmod(filepath.Join(dir, "kube-apiserver"), 0o644) },
		"not stamped": func(dir string) error { return os.Remove(stampPath(dir, "kube-apiserver")) },
		"of other pins": func(dir string) error {
			stamp := stampPath(dir, "kube-apiserver")
			text, err := os.ReadFile(stamp)
			if err != nil {
				return err
			}
			_, size, _ := strings.Cut(string(text), " ")
			return os.WriteFile(stamp, []byte("built:0 "+size), 0o644)
		},
	} {
		t.Run(name, func(t *testing.T) {
			calls := useFakeGo(t, "ok")
			dir := t.TempDir()
			if err := ensureIn(t, dir, false); err != nil {
				t.Fatal(err)
			}
			if err := spoil(dir); err != nil {
				t.Fatal(err)
			}
			if err := ensureIn(t, dir, false); err != nil {
				t.Fatal(err)
			}
			wantCalls(t, calls, "etcd", "kube-apiserver", "kube-apiserver")
		})
	}
}

func TestSeveralAtOnceWorkOnce(t *testing.T) {
	for name, test := range map[string]struct {
		download bool
		want     []string
	}{
		"build":    {false, []string{"etcd", "kube-apiserver"}},
		"download": {true, []string{pinnedKubernetes + "x"}},
	} {
		t.Run(name, func(t *testing.T) {
			calls := useFakeGo(t, "ok")
			dir := t.TempDir()
			var group sync.WaitGroup
			for range 4 {
				group.Go(func() {
					if err := ensureIn(t, dir, test.download); err != nil {
						t.Error(err)
					}
				})
			}
			group.Wait()
			wantCalls(t, calls, test.want...)
		})
	}
}

func TestFailedBuildLeavesNothingAndShowsTheCompilersWords(t *testing.T) {
	for mode, word := range map[string]string{
		"fails": "a.go:1:1: something is wrong",
		"liar":  `must be "etcd Version: ` + pinnedEtcd,
	} {
		t.Run(mode, func(t *testing.T) {
			useFakeGo(t, mode)
			dir := t.TempDir()
			err := ensureIn(t, dir, false)
			if err == nil || !strings.Contains(err.Error(), word) || !strings.Contains(err.Error(), "building etcd v"+pinnedEtcd) {
				t.Fatalf("error %v, want one about building etcd with %q", err, word)
			}
			wantFiles(t, dir)
		})
	}
}

func TestWithoutGoTheErrorSaysSo(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if err := ensureIn(t, t.TempDir(), false); err == nil || !strings.Contains(err.Error(), "Go is needed") {
		t.Fatalf("error %v, want one that says Go is needed", err)
	}
}

func TestDirectoryThatCannotBeMadeIsAnError(t *testing.T) {
	calls := useFakeGo(t, "ok")
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := ensureIn(t, filepath.Join(file, "bin"), false); err == nil || !strings.Contains(err.Error(), file) {
		t.Fatalf("error %v, want one that names %s", err, file)
	}
	wantCalls(t, calls)
}

func TestPublishedBinariesAreTakenWhenAskedFor(t *testing.T) {
	calls := useFakeGo(t, "ok")
	dir := t.TempDir()
	for _, download := range []bool{false, true, true, false} {
		if err := ensureIn(t, dir, download); err != nil {
			t.Fatal(err)
		}
	}
	// Built first, then downloaded once on request. The last job accepts the download.
	wantCalls(t, calls, "etcd", "kube-apiserver", pinnedKubernetes+"x")
	wantFiles(t, dir, ".etcd.stamp", ".kube-apiserver.stamp", "etcd", "kube-apiserver")
}

func TestFailedDownloadLeavesNothing(t *testing.T) {
	useFakeGo(t, "fails")
	dir := t.TempDir()
	if err := ensureIn(t, dir, true); err == nil || !strings.Contains(err.Error(), "no such host") {
		t.Fatalf("error %v, want setup-envtest's", err)
	}
	wantFiles(t, dir)
}

func TestReadOnlyLeftoversAreRemoved(t *testing.T) {
	useFakeGo(t, "ok")
	dir := t.TempDir()
	left := filepath.Join(dir, ".staging-1", "k8s")
	if err := os.MkdirAll(left, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(left, "etcd"), nil, 0o444); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(left, 0o555); err != nil {
		t.Fatal(err)
	}
	if err := ensureIn(t, dir, false); err != nil {
		t.Fatal(err)
	}
	wantFiles(t, dir, ".etcd.stamp", ".kube-apiserver.stamp", "etcd", "kube-apiserver")
}
