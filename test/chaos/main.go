// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/kube-elector/elector/test/chaos/replica"
	"github.com/kube-elector/elector/test/chaos/report"
	"github.com/kube-elector/elector/test/chaos/scenario"
	"github.com/kube-elector/elector/test/chaos/stage"
	"github.com/kube-elector/elector/test/harness"
)

func main() {
	if code, isReplica := replica.Main(); isReplica {
		os.Exit(code)
	}
	quiet()
	// A second signal changes nothing, since everything that was started must be stopped first.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "chaos:", err)
		os.Exit(1)
	}
}

// quiet discards client-go's own log. What matters of it is in errors.
func quiet() {
	klog.SetLogger(logr.Discard())
	ctrl.SetLogger(logr.Discard())
}

var errFailed = errors.New("some scenarios failed")

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parseFlags(args, stderr)
	if err != nil {
		return err
	}
	if o.compare {
		return report.Compare(o.out, stdout)
	}
	assets, err := harness.Assets()
	if err != nil {
		return err
	}
	all, err := report.New(o.command(), o.peer)
	if err != nil {
		return err
	}
	list := turns(o.scenarios, o.count)
	if o.duration > 0 {
		list, all.Seed = nil, o.seed
	}
	board := report.NewBoard(stderr, len(list))
	r := &runner{peer: o.peer, assets: assets, dir: filepath.Join(o.out, o.peer), stalls: &stage.Stalls{}, keep: o.keep, begin: board.Begin}
	r.end = func(name string, result report.Result) {
		all.Results = append(all.Results, result)
		board.End(name, result)
	}
	err = r.watched(ctx, func() error {
		if o.duration > 0 {
			return r.soak(ctx, o.duration, o.seed)
		}
		return r.playAll(ctx, list)
	})
	all.Took = time.Since(all.Began)
	if err := errors.Join(err, all.Save(r.dir, stdout)); err != nil {
		return err
	}
	if slices.ContainsFunc(all.Results, func(one report.Result) bool { return one.Verdict != report.Passed }) {
		return errFailed
	}
	return nil
}

// choices are the flags.
type choices struct {
	peer          string
	scenarios     []scenario.Scenario
	count         int
	duration      time.Duration
	seed          uint64
	out           string
	keep, compare bool
}

// command returns the make command that does the same.
func (o choices) command() string {
	command := "make chaos"
	if o.peer != harness.Ours {
		command += " PEER=" + o.peer
	}
	if o.duration > 0 {
		command += fmt.Sprintf(" DURATION=%v SEED=%d", o.duration, o.seed)
	}
	return command
}

func parseFlags(args []string, stderr io.Writer) (o choices, err error) {
	flags := flag.NewFlagSet("chaos", flag.ContinueOnError)
	flags.SetOutput(stderr)
	pattern := flags.String("scenario", "", "play only the row of this number, or those whose names match this regular expression")
	flags.IntVar(&o.count, "count", 1, "how many times to play each")
	flags.DurationVar(&o.duration, "duration", 0, "play no rows, but random faults for so long")
	flags.Uint64Var(&o.seed, "seed", 0, "of the random faults (default: a random one, which is printed)")
	flags.StringVar(&o.peer, "peer", harness.Ours, "what the replicas use: "+harness.Ours+", "+harness.ClientGo+" or "+harness.ControllerRuntime)
	flags.StringVar(&o.out, "o", "bin/chaos", "the directory for results and evidence")
	flags.BoolVar(&o.keep, "keep", false, "also keep the evidence of scenarios that pass")
	flags.BoolVar(&o.compare, "compare", false, "play nothing, and write the results of all peers side by side, in Markdown")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 || o.count < 1 || o.duration < 0 {
		return o, fmt.Errorf("arguments %q, -count %d, -duration %v: want no arguments, a count of at least 1, and a duration that is not negative",
			flags.Args(), o.count, o.duration)
	}
	if !slices.Contains(report.Peers, o.peer) {
		return o, fmt.Errorf("-peer %s: want one of %q", o.peer, report.Peers)
	}
	if o.seed == 0 {
		o.seed = rand.Uint64N(1 << 32) //nolint:gosec // Not a secret.
	}
	o.scenarios, err = choose(*pattern)
	return o, err
}

// choose returns the scenarios with that number, or with names that match.
func choose(pattern string) ([]scenario.Scenario, error) {
	if pattern == "" {
		return scenario.All(), nil
	}
	matches, err := regexp.Compile("(?i)" + pattern)
	if err != nil {
		return nil, fmt.Errorf("-scenario: %w", err)
	}
	row, err := strconv.Atoi(pattern)
	wanted := func(number int, name string) bool {
		if err == nil {
			return number == row
		}
		return matches.MatchString(name)
	}
	chosen := slices.DeleteFunc(scenario.All(), func(sc scenario.Scenario) bool { return !wanted(sc.Row, sc.Name) })
	if len(chosen) > 0 {
		return chosen, nil
	}
	for _, other := range scenario.Elsewhere {
		if wanted(other.Row, other.Name) {
			return nil, fmt.Errorf("-scenario %s: %s cannot be played on processes; see %s", pattern, other.Name, other.Where)
		}
	}
	return nil, fmt.Errorf("-scenario %s: no row has this number, and no name matches it", pattern)
}
