// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const setupEnvtest = "sigs.k8s.io/controller-runtime/tools/setup-envtest@v0.25.1"

// publishedMinor returns the minor version to download, such as 1.37. Not every patch release is published.
func publishedMinor(pins []pinned) string {
	for _, p := range pins {
		if p.module == kubernetes {
			version := strings.TrimPrefix(p.version, "v")
			return version[:strings.LastIndex(version, ".")]
		}
	}
	return ""
}

func publishedIdentity(pins []pinned) string {
	return "published:" + publishedMinor(pins) + ":" + setupEnvtest
}

func publishedTitle(pins []pinned) string {
	return "published binaries of Kubernetes " + publishedMinor(pins) + ".x"
}

// fetch installs the newest published binaries of the pinned minor version of Kubernetes.
func (j *job) fetch(ctx context.Context, staging string) error {
	t := newTracker("", 0)
	j.show.say("downloading the %s with %s", publishedTitle(j.pins), setupEnvtest)
	j.show.set("downloading the %s", publishedTitle(j.pins))
	var stdout bytes.Buffer
	selector := publishedMinor(j.pins) + ".x"
	cmd := exec.CommandContext(ctx, "go", "run", setupEnvtest, "use", "--bin-dir", staging, "-p", "path", selector)
	cmd.Stdout = &stdout
	if err := runGroup(ctx, cmd, []string{"GOWORK=off"}, t.line); err != nil {
		return fmt.Errorf("downloading the %s (without ENVTEST_DOWNLOAD=1 they are built from source): %w",
			publishedTitle(j.pins), t.explain(err))
	}
	from := strings.TrimSpace(stdout.String())
	if err := os.Chmod(from, 0o755); err != nil { // It is read-only, and nothing could be moved out.
		return fmt.Errorf("setup-envtest printed no directory: %w", err)
	}
	for _, p := range j.pins {
		binary := filepath.Join(from, p.name)
		version, err := greeting(ctx, binary, "--version")
		if err != nil {
			return err
		}
		if err := install(j.dir, p.name, publishedIdentity(j.pins), binary); err != nil {
			return fmt.Errorf("installing %s: %w", p.name, err)
		}
		j.show.say("%s: %s", p.name, version)
	}
	return nil
}
