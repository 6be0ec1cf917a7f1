// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// releases are the patch releases taken for a minor version other than the pinned one. All are on Go's module proxy,
// which has not every one.
var releases = map[string]string{"1.34": "v1.34.10", "1.35": "v1.35.8", "1.36": "v1.36.5"}

var kubernetesRule = regexp.MustCompile(`^v?(\d+\.\d+)(\.\d+)?$`)

// kubernetesVersion returns the release that the user asked for: one itself, such as 1.35.8, or one of a minor version.
func kubernetesVersion(asked, pinned string) (string, error) {
	found := kubernetesRule.FindStringSubmatch(asked)
	var release string
	switch {
	case asked == "" || found != nil && found[2] == "" && strings.HasPrefix(pinned, "v"+found[1]+"."):
		release = pinned
	case found != nil && found[2] != "":
		release = "v" + found[1] + found[2]
	case found != nil:
		release = releases[found[1]]
	}
	if release == "" {
		return "", fmt.Errorf("KUBERNETES_VERSION is %q: must be a release like %s, or a minor version from 1.34 to 1.37", asked, pinned[1:])
	}
	return release, nil
}

// derived returns the recipe for another release of Kubernetes. Its module is below dir, and made if it is not there.
func (r recipe) derived(ctx context.Context, dir, release string, show *display) (recipe, error) {
	r.dir = filepath.Join(dir, ".kube-"+release)
	if _, err := os.Stat(r.dir); err == nil {
		return r, nil
	}
	show.say("resolving the dependencies of %s %s", r.module, release)
	show.set("resolving dependencies")
	staging, err := os.MkdirTemp(dir, ".staging-")
	if err != nil {
		return r, err
	}
	defer func() { _ = os.RemoveAll(staging) }() // gone when it was renamed
	if err := r.derive(ctx, staging, release); err != nil {
		return r, fmt.Errorf("resolving the dependencies of %s %s: %w", r.module, release, err)
	}
	return r, os.Rename(staging, r.dir)
}

// derive makes dir a module with the dependencies of the release, as the release's own go.mod and go.sum have them. Its
// staging modules are published with the version v0 instead of v1.
func (r recipe) derive(ctx context.Context, dir, release string) error {
	run := func(args ...string) ([]byte, error) {
		t := newTracker("", 0)
		var stdout bytes.Buffer
		cmd := exec.CommandContext(ctx, "go", args...)
		cmd.Dir, cmd.Stdout = dir, &stdout
		err := runGroup(ctx, cmd, []string{"GOWORK=off", "GOFLAGS=-mod=mod"}, t.line)
		if err != nil {
			err = t.explain(err)
		}
		return stdout.Bytes(), err
	}
	out, err := run("mod", "download", "-json", r.module+"@"+release)
	if err != nil {
		return err
	}
	var module struct{ Dir string }
	if err := json.Unmarshal(out, &module); err != nil {
		return fmt.Errorf("reading what go mod download says: %w", err)
	}
	mod, err := os.ReadFile(filepath.Join(module.Dir, "go.mod"))
	if err != nil {
		return err
	}
	sum, err := os.ReadFile(filepath.Join(module.Dir, "go.sum"))
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte(r.derivedMod(string(mod), release)), 0o644); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "go.sum"), sum, 0o644); err != nil {
		return err
	}
	_, err = run("mod", "tidy")
	return err
}

var (
	goDirective   = regexp.MustCompile(`(?m)^go \S+\n`)
	stagingModule = regexp.MustCompile(`(?m)^\s+(k8s\.io/\S+) => \./staging/`)
)

// toolLines returns the directive with what is built of a module.
func toolLines(module string) string {
	text := "tool (\n"
	for _, r := range slices.Concat(recipes, nodeRecipes) {
		if r.module == module {
			text += "\t" + r.pkg + "\n"
		}
	}
	return text + ")\n"
}

// derivedMod returns the go.mod of a module that builds a release of Kubernetes with the dependencies of its go.mod.
func (r recipe) derivedMod(theirs, release string) string {
	text := "module github.com/kube-elector/elector/hack/envtest/kube\n\n" + goDirective.FindString(theirs) +
		"\n// The programs of Kubernetes that the tests and the demo run, with the dependencies of their own release alone.\n" +
		toolLines(r.module) + "\nrequire (\n\t" + r.module + " " + release + "\n"
	for _, line := range requireLine.FindAllStringSubmatch(theirs, -1) {
		if line[2] != "v0.0.0" {
			text += "\t" + line[1] + " " + line[2] + " // indirect\n"
		}
	}
	text += ")\n\nreplace (\n"
	for _, line := range stagingModule.FindAllStringSubmatch(theirs, -1) {
		text += fmt.Sprintf("\t%s => %s v0%s\n", line[1], line[1], strings.TrimPrefix(release, "v1"))
	}
	return text + ")\n"
}
