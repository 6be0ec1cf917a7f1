// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// buildAll builds and installs the missing binaries, one after the other.
func (j *job) buildAll(ctx context.Context, staging string) error {
	var missing []pinned
	for _, p := range j.pins {
		if !j.has(p) {
			missing = append(missing, p)
		}
	}
	j.show.say("building %s from source: takes minutes, once", titles(missing))
	for i, p := range missing {
		began := time.Now()
		label := fmt.Sprintf("%s (%d of %d)", p.title(), i+1, len(missing))
		if err := j.build(ctx, staging, p, label); err != nil {
			return fmt.Errorf("building %s: %w", p.title(), err)
		}
		binary := filepath.Join(staging, p.name)
		size, err := executableSize(binary)
		if err != nil {
			return err
		}
		if err := install(j.dir, p.name, p.identity, binary); err != nil {
			return fmt.Errorf("installing %s: %w", p.title(), err)
		}
		j.show.say("%s: done in %s, %d MB", label, seconds(time.Since(began)), size/1e6)
	}
	return nil
}

// build builds the binary in staging and checks the version that it prints.
func (j *job) build(ctx context.Context, staging string, p pinned, label string) error {
	t := newTracker(p.pkg, p.modules)
	watch := func(line string) {
		t.line(line)
		j.show.set("%s: %s", label, t.status())
	}
	// Temporary files are in staging too. They are removed with it, and the linked binary need not be copied.
	env := append([]string{"GOTMPDIR=" + staging}, buildEnv...)
	run := func(args ...string) ([]byte, error) {
		j.show.set("%s: %s", label, t.status())
		var stdout bytes.Buffer
		cmd := exec.CommandContext(ctx, "go", append(args, p.pkg)...)
		cmd.Dir, cmd.Stdout = p.dir, &stdout
		err := runGroup(ctx, cmd, env, watch)
		return stdout.Bytes(), err
	}
	packages, err := run(append([]string{"list", "-deps", "-f", listFormat}, p.buildArgs()...)...)
	if err != nil {
		return fmt.Errorf("downloading its modules and listing its packages: %w", t.explain(err))
	}
	t.plan(string(packages))
	binary := filepath.Join(staging, p.name)
	if _, err := run(append([]string{"build", "-v", "-o", binary}, p.buildArgs()...)...); err != nil {
		return t.explain(err)
	}
	want := p.tells + strings.TrimPrefix(p.version, "v")
	got, err := greeting(ctx, binary, cmp.Or(p.asks, "--version"))
	if err == nil && got != want && !strings.HasPrefix(got, want+" ") {
		err = fmt.Errorf("it says it is %q: must be %q", got, want)
	}
	return err
}

// greeting returns what a binary prints if it gets a flag, in one line.
func greeting(ctx context.Context, binary, flag string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, binary, flag).CombinedOutput()
	line := strings.Join(strings.Fields(string(out)), " ")
	if err != nil {
		return "", fmt.Errorf("running %s %s: %w: %s", binary, flag, err, line)
	}
	return line, nil
}
