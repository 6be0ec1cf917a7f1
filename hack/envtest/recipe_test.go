// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// What is pinned, without the patch release.
const (
	pinnedEtcd       = "3.7."
	pinnedKubernetes = "1.37."
)

func TestPinnedVersionsAreReadFromGoMod(t *testing.T) {
	for _, r := range recipes {
		p, err := r.pin(".")
		if err != nil {
			t.Fatal(err)
		}
		if want := "v" + map[string]string{"etcd": pinnedEtcd, "kube-apiserver": pinnedKubernetes}[r.name]; !strings.HasPrefix(p.version, want) {
			t.Errorf("%s is pinned to %s, want %s…", r.name, p.version, want)
		}
		if p.modules < 50 {
			t.Errorf("%s requires %d modules, want them all counted", r.name, p.modules)
		}
	}
}

func TestStagingModulesHaveTheVersionOfKubernetes(t *testing.T) {
	mod, err := os.ReadFile("kube/go.mod")
	if err != nil {
		t.Fatal(err)
	}
	kube := regexp.MustCompile(`(?m)^\s+k8s\.io/kubernetes v1(\S+)`).FindStringSubmatch(string(mod))
	replaced := regexp.MustCompile(`(?m)^\s+(k8s\.io/\S+) => (\S+) (\S+)$`).FindAllStringSubmatch(string(mod), -1)
	if kube == nil || len(replaced) < 30 {
		t.Fatalf("found kubernetes at %q and %d replace directives", kube, len(replaced))
	}
	for _, r := range replaced {
		if r[1] != r[2] || r[3] != "v0"+kube[1] {
			t.Errorf("%s is replaced by %s %s, want itself at v0%s", r[1], r[2], r[3], kube[1])
		}
	}
}

func TestKubernetesIsToldItsVersion(t *testing.T) {
	flags := kubeLDFlags("v1.37.2")
	for _, want := range []string{"gitVersion=v1.37.2", "gitMajor=1", "gitMinor=37"} {
		for _, pkg := range []string{"k8s.io/component-base/version", "k8s.io/client-go/pkg/version"} {
			if !strings.Contains(flags+" ", " -X "+pkg+"."+want+" ") {
				t.Errorf("%q does not set %s.%s", flags, pkg, want)
			}
		}
	}
}

func TestIdentityChangesWithAllThatMakesTheBinary(t *testing.T) {
	root := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(root, "m", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	r := recipe{name: "x", dir: "m", module: "example.com/x", pkg: "example.com/x", ldflags: func(string) string { return "-s" }}
	seen := map[string]string{}
	add := func(what string) {
		t.Helper()
		p, err := r.pin(root)
		if err != nil {
			t.Fatal(err)
		}
		if before, found := seen[p.identity]; found {
			t.Errorf("%s has the identity of %s", what, before)
		}
		seen[p.identity] = what
	}
	write("go.mod", "module m\n\nrequire example.com/x v1.0.0\n")
	write("go.sum", "a\n")
	add("the first")
	write("go.sum", "b\n")
	add("another go.sum")
	write("go.mod", "module m\n\nrequire example.com/x v1.0.1\n")
	add("another version")
	r.ldflags = func(string) string { return "-s -w" }
	add("another flag")
}

func TestUnreleasedOrMissingVersionIsAnError(t *testing.T) {
	for _, mod := range []string{
		"module m\n\nrequire example.com/y v1.0.0\n",
		"module m\n\nrequire example.com/x v1.0.0-alpha.1\n",
	} {
		root := t.TempDir()
		for name, text := range map[string]string{"go.mod": mod, "go.sum": ""} {
			if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		r := recipe{dir: ".", module: "example.com/x", ldflags: func(string) string { return "" }}
		if _, err := r.pin(root); err == nil || !strings.Contains(err.Error(), "example.com/x") {
			t.Errorf("with %q: error %v, want one that names the module", mod, err)
		}
	}
}
