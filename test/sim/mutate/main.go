// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

// Command mutate shows that the tests find faults. It breaks the code in one place after the other, in an overlay of
// the build and not in the tree, and looks which test finds it. The simulation looks for mutations of packages elector
// and shards, and the command counts its seeds. The gate's model and the manager's other tests look for those of the
// manager's gate. It prints a table for each, and fails if a mutation is not found.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"strings"
	"syscall"
)

// subject is a package that is broken on purpose.
type subject struct {
	name      string // for -of
	dir       string // of the package
	mutations []mutation
	tests     string // the package of the tests that look for mutations
	header    string // of the table
	hunt      hunter
}

var subjects = []subject{
	{"elector", "elector", mutations, "test/sim", "| an Elector that … | is found by seed | after seeds | breaks |\n| --- | --- | --- | --- |", bySeeds},
	{"crash", "elector", crashMutations, "test/sim", "| an Elector with crash detection that … | is found by seed | after seeds | breaks |\n| --- | --- | --- | --- |", bySeedsOfCrashes},
	{"shards", "elector/shards", shardMutations, "test/sim", "| a replica that … | is found by seed | after seeds | breaks |\n| --- | --- | --- | --- |", bySeedsOfShards},
	{"manager", "manager", gateMutations, "manager", "| a gate that … | the model finds it | tests that find it |\n| --- | --- | --- |", byTests},
}

func main() {
	limit := flag.Int("seeds", 2000, "how many seeds a mutation of the Elector may take")
	of := flag.String("of", "", "only mutations of this: elector, crash (its crash detection), shards or manager")
	only := flag.String("only", "", "only mutations whose names match this regular expression")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *limit, *of, *only); err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, limit int, of, only string) error {
	wanted, err := regexp.Compile(only)
	if err != nil {
		return err
	}
	root, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return fmt.Errorf("find the module: %w", err)
	}
	dir, err := os.MkdirTemp("", "mutate-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }() // it is temporary
	hunts := place{root: strings.TrimSpace(string(root)), dir: dir, limit: limit}
	var missed []error
	for _, s := range subjects {
		if of != "" && of != s.name {
			continue
		}
		fmt.Println(s.header)
		for _, m := range s.mutations {
			if !wanted.MatchString(m.name) {
				continue
			}
			row, err := hunts.hunt(ctx, s, m)
			if err != nil {
				missed = append(missed, fmt.Errorf("%s: %w", m.name, err))
				row = "not found"
			}
			fmt.Printf("| %s | %s |\n", m.name, row)
		}
		fmt.Println()
	}
	return errors.Join(missed...)
}
