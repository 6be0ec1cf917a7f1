// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

// Command controllerruntime runs controller-runtime's own test suites twice, on its managers and on ours. It copies the
// module of the version that go.mod or another module file has, changes its tests to make their managers with
// manager.New of this module, and compares the results of every spec, with and without an election.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// suites are the packages of controller-runtime whose tests make managers.
var suites = []string{
	"pkg/builder", "pkg/controller", "pkg/internal/recorder", "pkg/manager/internal/integration", "pkg/metrics/filters", "pkg/webhook",
}

// ways are the ways in which the suites' managers are made, by the environment of the suite's process.
var ways = []way{
	{"without an election", "ELECTION=off"},
	{"with an election", "ELECTION=on"},
}

type way struct{ name, env string }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "controllerruntime:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	only := flag.String("suites", ".", "run only the suites that match this regular expression")
	atMost := flag.Duration("timeout", 5*time.Minute, "how long one run of a suite may take")
	modfile := flag.String("modfile", "go.mod", "the module file that has the version of controller-runtime")
	dir := flag.String("dir", "bin/controllerruntime", "where the copy and the reports go; emptied first")
	flag.Parse()
	wanted, err := regexp.Compile(*only)
	if err != nil {
		return err
	}
	work, err := filepath.Abs(*dir)
	if err != nil {
		return err
	}
	if err := prepare(ctx, work, *modfile); err != nil {
		return err
	}
	var all comparison
	for _, suite := range suites {
		if !wanted.MatchString(suite) {
			continue
		}
		r := runner{work: work, suite: suite, atMost: *atMost}
		if err := r.build(ctx); err != nil {
			return err
		}
		for _, w := range ways {
			theirs, err := r.run(ctx, w, "controller-runtime")
			if err != nil {
				return err
			}
			ours, err := r.run(ctx, w, "elector")
			if err != nil {
				return err
			}
			all = append(all, compared{suite, w.name, theirs, ours})
			fmt.Println(all[len(all)-1].line())
		}
	}
	if faults := all.faults(); len(faults) > 0 {
		return errors.New("some specs do worse on managers made by manager.New:\n" + strings.Join(faults, "\n"))
	}
	return nil
}

// runner builds and runs one suite.
type runner struct {
	work, suite string
	atMost      time.Duration
}

func (r runner) binary() string {
	return filepath.Join(r.work, "suites", strings.ReplaceAll(r.suite, "/", "-")+".test")
}

func (r runner) build(ctx context.Context) error {
	return command(ctx, filepath.Join(r.work, "module"), nil, "go", "test", "-c", "-o", r.binary(), "./"+copied(r.suite))
}

// run returns the results of the suite's specs on managers of this kind. A spec that fails may try once more, on either
// kind, since some look for goroutines that need time to end. Specs that fail are not an error.
func (r runner) run(ctx context.Context, w way, kind string) (results, error) {
	report := strings.TrimSuffix(r.binary(), ".test") + "-" + kind + "-" + strings.ReplaceAll(w.name, " ", "-") + ".json"
	env := append(os.Environ(), w.env, "MANAGER="+kind, "KUBEBUILDER_CONTROLPLANE_START_TIMEOUT=1m")
	ctx, cancel := context.WithTimeout(ctx, r.atMost+time.Minute)
	defer cancel()
	failed := command(ctx, filepath.Join(r.work, "module", copied(r.suite)), env, r.binary(),
		"-test.timeout="+r.atMost.String(), "-ginkgo.timeout="+r.atMost.String(), "-ginkgo.seed=1", "-ginkgo.flake-attempts=2", "-ginkgo.json-report="+report)
	found, err := readReport(report)
	if err != nil {
		return nil, errors.Join(failed, err)
	}
	return found, ctx.Err()
}

// command runs a command and keeps its output for an error's text.
func command(ctx context.Context, dir string, env []string, name string, args ...string) error {
	c := exec.CommandContext(ctx, name, args...)
	c.Dir, c.Env = dir, env
	c.WaitDelay = 10 * time.Second
	if output, err := c.CombinedOutput(); err != nil {
		const tail = 4000
		return fmt.Errorf("%s: %w\n%s", c, err, output[max(0, len(output)-tail):])
	}
	return nil
}
