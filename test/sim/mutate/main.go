// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

// Command mutate shows that the simulation finds what it is for: it breaks package elector in one place after the other,
// in an overlay of the build and not in the tree, and counts the seeds until a violation is found. It prints a table, and
// fails if a mutation is not found.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
)

var found = regexp.MustCompile(`FOUND by seed (\d+), the (\d+)th: (\S+)|seed (\d+) is (stuck)`)

func main() {
	limit := flag.Int("seeds", 2000, "how many seeds a mutation may take")
	only := flag.String("only", "", "mutations with this in their names")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *limit, *only); err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, limit int, only string) error {
	root, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return fmt.Errorf("find the module: %w", err)
	}
	dir, err := os.MkdirTemp("", "mutate-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }() // it is temporary
	fmt.Println("| an Elector that … | is found by seed | after seeds | breaks |\n| --- | --- | --- | --- |")
	var missed []error
	for _, m := range mutations {
		if !strings.Contains(m.name, only) {
			continue
		}
		row, err := m.hunt(ctx, strings.TrimSpace(string(root)), dir, limit)
		if err != nil {
			missed = append(missed, fmt.Errorf("%s: %w", m.name, err))
			row = "not found"
		}
		fmt.Printf("| %s | %s |\n", m.name, row)
	}
	return errors.Join(missed...)
}

// hunt builds the simulation with the mutation and runs it until it finds something.
func (m mutation) hunt(ctx context.Context, root, dir string, limit int) (row string, err error) {
	original := filepath.Join(root, "elector", m.file)
	source, err := os.ReadFile(original)
	if err != nil {
		return "", err
	}
	broken, err := m.apply(string(source))
	if err != nil {
		return "", err
	}
	mutant, overlay, binary := filepath.Join(dir, m.file), filepath.Join(dir, "overlay.json"), filepath.Join(dir, "sim")
	replace, err := json.Marshal(map[string]map[string]string{"Replace": {original: mutant}})
	if err != nil {
		return "", err
	}
	if err := errors.Join(os.WriteFile(mutant, []byte(broken), 0o600), os.WriteFile(overlay, replace, 0o600)); err != nil {
		return "", err
	}
	build := exec.CommandContext(ctx, "go", "test", "-c", "-ldflags=-s -w", "-overlay", overlay, "-o", binary, "./test/sim")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build: %w\n%s", err, out)
	}
	out, err := exec.CommandContext(ctx, binary, "-test.run", "^TestSeeds$", "-sim.shrink=false", "-sim.patience=2m",
		fmt.Sprint("-sim.seeds=", limit)).CombinedOutput()
	hit := found.FindStringSubmatch(string(out))
	switch {
	case err == nil:
		return "", fmt.Errorf("nothing found by %d seeds", limit)
	case hit == nil && strings.Contains(string(out), "panic: "):
		return "– | – | it panics", nil
	case hit == nil:
		return "", fmt.Errorf("%w\n%s", err, out)
	case hit[5] != "":
		return fmt.Sprintf("%s | – | time stands still: the run does not end", hit[4]), nil
	}
	return fmt.Sprintf("%s | %s | %s", hit[1], hit[2], hit[3]), nil
}

func (m mutation) apply(source string) (string, error) {
	if n := strings.Count(source, m.old); n != 1 {
		return "", fmt.Errorf("elector/%s has %d of\n%s", m.file, n, m.old)
	}
	return strings.Replace(source, m.old, m.new, 1), nil
}
