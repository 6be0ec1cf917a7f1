// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

// Bench measures what a leader election costs and how fast it is. It compares package elector with client-go's
// LeaderElector and controller-runtime's manager in one run on one control plane, so that the machine treats all of
// them alike. It writes all samples as JSON and shows them as a table.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	if code, isChild := childMain(); isChild {
		os.Exit(code)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	only := flags.String("only", "", "measure only these, separated by commas, and leave the others in -o as they are: "+strings.Join(measurementNames(), ","))
	quick := flags.Bool("quick", false, "see whether it works: few samples, short durations, all at once; the figures mean nothing")
	samples := flags.Int("n", 0, "about how many samples of hand-overs, crashes and thefts (default: enough for the published figures)")
	window := flags.Duration("window", 0, "for how long requests are counted (default 2m)")
	output := flags.String("o", "bin/bench/results.json", "the file for all samples, as JSON")
	dir := flags.String("publish", "", "measure nothing: write RESULTS.md and charts of the samples in -o into this directory")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return nil
	case err != nil:
		return err
	}
	if flags.NArg() > 0 || *samples < 0 || *window < 0 {
		return fmt.Errorf("arguments %q, -n %d, -window %v: want no arguments, and no negative numbers", flags.Args(), *samples, *window)
	}
	if *dir != "" {
		return publish(*output, *dir)
	}
	chosen, err := choose(*only)
	if err != nil {
		return err
	}
	sizes := fullSizes
	if *quick {
		sizes = quickSizes
	}
	sizes = sizes.withSamples(*samples)
	if *window > 0 {
		sizes.requestWindow = *window
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Hour)
	defer cancel()
	r, err := runBench(ctx, chosen, sizes, stderr)
	if r == nil {
		return err
	}
	if len(chosen) < len(measurements) {
		if failure := r.join(*output); failure != nil {
			*output += ".new"
			err = errors.Join(err, failure, fmt.Errorf("this run is in %s", *output))
		}
	}
	if failure := r.save(*output); failure != nil {
		return errors.Join(err, failure)
	}
	return errors.Join(err, show(stdout, *output))
}

// show shows a file of samples as tables.
func show(out io.Writer, file string) error {
	r, err := loadReport(file)
	if err != nil {
		return err
	}
	return writeTables(out, r)
}

func loadReport(file string) (*report, error) {
	text, err := os.ReadFile(file) //nolint:gosec // The user names it.
	if err != nil {
		return nil, err
	}
	var r report
	if err := json.Unmarshal(text, &r); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return &r, nil
}

func measurementNames() []string {
	var names []string
	for _, m := range measurements {
		names = append(names, m.name)
	}
	return names
}

func choose(only string) ([]measurement, error) {
	if only == "" {
		return measurements, nil
	}
	byName := map[string]measurement{}
	for _, m := range measurements {
		byName[m.name] = m
	}
	var chosen []measurement
	for name := range strings.SplitSeq(only, ",") {
		m, ok := byName[name]
		if !ok {
			return nil, fmt.Errorf("-only %s: %q is none of %s", only, name, strings.Join(measurementNames(), ", "))
		}
		chosen = append(chosen, m)
	}
	return chosen, nil
}

// join takes over from a file what this run has not measured again, if it can be of one table.
func (r *report) join(file string) error {
	old, err := loadReport(file)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case err != nil:
		return err
	case old.Machine != r.Machine || old.Timing != r.Timing:
		return fmt.Errorf("%s is of another machine, or of other durations: its measurements were left alone", file)
	}
	for name, version := range r.Versions {
		if name != ours && old.Versions[name] != version {
			return fmt.Errorf("%s is of %s %s, not %s: its measurements were left alone", file, name, old.Versions[name], version)
		}
	}
	all := make([]measured, 0, len(measurements))
	for _, m := range measurements {
		is := func(other measured) bool { return other.Name == m.name }
		now, before := slices.IndexFunc(r.Measurements, is), slices.IndexFunc(old.Measurements, is)
		switch {
		case now >= 0 && (before < 0 || r.Measurements[now].Error == ""):
			all = append(all, r.Measurements[now])
			all[len(all)-1].Elector = r.Versions[ours]
		case before >= 0: // what failed now is told, but replaces nothing
			all = append(all, old.Measurements[before])
		}
	}
	r.Started, r.Versions, r.Measurements = old.Started, old.Versions, all
	return nil
}

func (r *report) save(file string) error {
	text, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil { //nolint:gosec // Anyone may read it.
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o644) //nolint:gosec // Anyone may read it.
}
