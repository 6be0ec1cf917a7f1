// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"
)

// place is where mutations are built and hunted.
type place struct {
	root  string // of the module
	dir   string // for what is built
	limit int    // of seeds
}

// hunter runs the tests with a mutation, and returns the rest of its row. It returns errNothing if they find nothing.
type hunter func(ctx context.Context, p place, m mutation, binary string) (row string, err error)

var errNothing = errors.New("nothing found")

// hunt builds the tests with the mutation and runs them. If they find nothing, it runs those of the package itself, and
// then those of the package that the mutated file is of.
func (p place) hunt(ctx context.Context, s subject, m mutation) (row string, err error) {
	original := filepath.Join(p.root, s.dir, m.file)
	source, err := os.ReadFile(original)
	if err != nil {
		return "", err
	}
	broken, err := m.apply(string(source))
	if err != nil {
		return "", err
	}
	mutant, overlay := filepath.Join(p.dir, filepath.Base(m.file)), filepath.Join(p.dir, "overlay.json")
	replace, err := json.Marshal(map[string]map[string]string{"Replace": {original: mutant}})
	if err != nil {
		return "", err
	}
	if err := errors.Join(os.WriteFile(mutant, []byte(broken), 0o600), os.WriteFile(overlay, replace, 0o600)); err != nil {
		return "", err
	}
	binary, err := p.build(ctx, overlay, s.tests)
	if err != nil {
		return "", err
	}
	row, err = s.hunt(ctx, p, m, binary)
	if !errors.Is(err, errNothing) || s.tests == s.dir {
		return row, err
	}
	for _, own := range []string{s.dir, path.Dir(path.Join(s.dir, m.file))} {
		if binary, err = p.build(ctx, overlay, own); err != nil {
			return "", err
		}
		if row, err = byOwnTests(ctx, filepath.Join(p.root, own), binary); !errors.Is(err, errNothing) {
			break
		}
	}
	return row, err
}

func (p place) build(ctx context.Context, overlay, tests string) (binary string, err error) {
	binary = filepath.Join(p.dir, "tests")
	build := exec.CommandContext(ctx, "go", "test", "-c", "-ldflags=-s -w", "-overlay", overlay, "-o", binary, "./"+tests)
	build.Dir = p.root
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build: %w\n%s", err, out)
	}
	return binary, nil
}

func (m mutation) apply(source string) (string, error) {
	if n := strings.Count(source, m.old); n != 1 {
		return "", fmt.Errorf("%s has %d of\n%s", m.file, n, m.old)
	}
	return strings.Replace(source, m.old, m.new, 1), nil
}

var found = regexp.MustCompile(`FOUND by seed (\d+), the (\d+)th: (\S+)|seed (\d+) is (stuck)`)

// bySeeds runs the simulation until it finds something.
func bySeeds(ctx context.Context, p place, m mutation, binary string) (row string, err error) {
	return p.simulate(ctx, binary, "-sim.kinds="+few[m.name])
}

// bySeedsOfCrashes runs the simulation with few other faults than those of crash detection.
func bySeedsOfCrashes(ctx context.Context, p place, _ mutation, binary string) (row string, err error) {
	return p.simulate(ctx, binary, "-sim.kinds=crash,lie,away,no-pods,stop,late,stranger,reapply")
}

// bySeedsOfShards runs the simulation of shards.
func bySeedsOfShards(ctx context.Context, p place, _ mutation, binary string) (row string, err error) {
	return p.simulate(ctx, binary, "-sim.shards", "-sim.quiet=false") // long plans could be taken for ones that do not end
}

func (p place) simulate(ctx context.Context, binary string, how ...string) (row string, err error) {
	out, err := exec.CommandContext(ctx, binary, append(how, "-test.run", "^TestSeeds$", "-test.timeout", "0",
		"-sim.shrink=false", "-sim.patience=4m", fmt.Sprint("-sim.seeds=", p.limit))...).CombinedOutput()
	hit := found.FindStringSubmatch(string(out))
	switch {
	case err == nil:
		return "", fmt.Errorf("%w by %d seeds", errNothing, p.limit)
	case hit == nil && strings.Contains(string(out), "panic: "):
		return "– | – | it panics", nil
	case hit == nil:
		return "", fmt.Errorf("%w\n%s", err, out)
	case hit[5] != "":
		return fmt.Sprintf("%s | – | time stands still: the run does not end", hit[4]), nil
	}
	return fmt.Sprintf("%s | %s | %s", hit[1], hit[2], hit[3]), nil
}

// byOwnTests runs the tests of a package.
func byOwnTests(ctx context.Context, dir, binary string) (row string, err error) {
	names, err := failures(ctx, dir, binary, "-test.timeout", "15m") // on a busy machine they take minutes
	if err != nil {
		return "", err
	}
	if len(names) == 0 {
		return "", fmt.Errorf("%w by the package's own tests", errNothing)
	}
	return "– | – | " + names[0], nil
}

// model is the test that takes random steps.
const model = "^TestGateRunsNoRequestOutsideItsTenureAndLosesNone$"

// byTests runs the model of the gate, and the other tests of package manager.
func byTests(ctx context.Context, p place, _ mutation, binary string) (row string, err error) {
	dir := filepath.Join(p.root, "manager")
	byModel, err := failures(ctx, dir, binary, "-test.run", model)
	if err != nil {
		return "", err
	}
	byOthers, err := failures(ctx, dir, binary, "-test.skip", model)
	if err != nil {
		return "", err
	}
	if len(byModel)+len(byOthers) == 0 {
		return "", errors.New("no test fails")
	}
	finds, others := "–", "–"
	if len(byModel) > 0 {
		finds = "yes"
		if strings.HasSuffix(byModel[0], "end") {
			finds = "it does not end"
		}
	}
	if n := len(byOthers); n > 0 {
		others = byOthers[0]
		if n > 1 {
			others += fmt.Sprintf(" and %d more", n-1)
		}
	}
	return finds + " | " + others, nil
}

// failed is a test that fails, or one that runs when the time for all is up.
var failed = regexp.MustCompile(`(?m)^--- FAIL: (\w+)|^\s*running tests:\n\s+(\w+)`)

// failures runs tests in the directory of their package, and returns the names of those that fail.
func failures(ctx context.Context, dir, binary string, which ...string) ([]string, error) {
	tests := exec.CommandContext(ctx, binary, append([]string{"-test.timeout", "2m"}, which...)...)
	tests.Dir = dir
	out, err := tests.CombinedOutput()
	if err == nil {
		return nil, nil
	}
	var names []string
	for _, hit := range failed.FindAllStringSubmatch(string(out), -1) {
		if hit[2] != "" {
			hit[2] += " does not end"
		}
		names = append(names, hit[1]+hit[2])
	}
	switch {
	case len(names) > 0:
		return names, nil
	case strings.Contains(string(out), "panic: "):
		return []string{"a panic"}, nil
	case strings.Contains(string(out), "goleak: "):
		return []string{"goroutines that are left behind"}, nil
	}
	return nil, fmt.Errorf("%w\n%s", err, out)
}
