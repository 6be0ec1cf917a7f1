// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// assetsWith makes a directory with files of these modes, 0 for none.
func assetsWith(t *testing.T, etcd, apiserver os.FileMode) string {
	t.Helper()
	dir := t.TempDir()
	for name, mode := range map[string]os.FileMode{"etcd": etcd, "kube-apiserver": apiserver} {
		if mode == 0 {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"), mode); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestKubebuilderAssetsAreCheckedAndNothingIsBuilt(t *testing.T) {
	for name, test := range map[string]struct {
		assets string
		want   []string // in what it says, none when all is well
	}{
		"complete":       {assetsWith(t, 0o755, 0o755), nil},
		"relative":       {"bin/envtest", []string{`"bin/envtest"`, "absolute path"}},
		"no directory":   {filepath.Join(t.TempDir(), "none"), []string{"etcd", "kube-apiserver", "no such file"}},
		"no etcd":        {assetsWith(t, 0, 0o755), []string{"directory with etcd", "no such file"}},
		"no apiserver":   {assetsWith(t, 0o755, 0), []string{"directory with kube-apiserver", "no such file"}},
		"not executable": {assetsWith(t, 0o755, 0o644), []string{"kube-apiserver is not an executable file"}},
	} {
		t.Run(name, func(t *testing.T) {
			calls := useFakeGo(t, "ok")
			dir := t.TempDir()
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-out", dir)
			cmd.Env = append(os.Environ(), "ENVTEST_RUN=1", "KUBEBUILDER_ASSETS="+test.assets)
			said, err := cmd.CombinedOutput()
			if failed := err != nil; failed != (test.want != nil) {
				t.Fatalf("ended with %v and said %q", err, said)
			}
			for _, want := range append(test.want, "KUBEBUILDER_ASSETS") {
				if !strings.Contains(string(said), want) {
					t.Errorf("it said %q, want %q in it", said, want)
				}
			}
			wantCalls(t, calls)
			if names := filesIn(t, dir); len(names) > 0 {
				t.Errorf("it made %q", names)
			}
		})
	}
}

func TestDownloadSwitchTakesYesAndNoOnly(t *testing.T) {
	for value, want := range map[string]bool{"": false, "0": false, "false": false, "1": true, "true": true} {
		if got, err := downloadWanted(value); got != want || err != nil {
			t.Errorf("%q: %v, %v", value, got, err)
		}
	}
	if _, err := downloadWanted("yes please"); err == nil || !strings.Contains(err.Error(), "ENVTEST_DOWNLOAD") {
		t.Errorf("error %v, want one that names ENVTEST_DOWNLOAD", err)
	}
}
