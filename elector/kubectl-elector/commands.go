// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// A command is what the first argument names.
type command struct {
	name    string
	args    string // in the line of usage
	short   string
	long    string
	least   int // arguments
	most    int
	flags   []string // of its own
	execute func(context.Context, *session, []string) error
}

var commands = []command{
	{
		name: "status", args: "[NAME]", short: "Show who leads, and why the leader changed", long: statusHelp, most: 1,
		flags: []string{"all-namespaces", "output", "heartbeats", "check-as"}, execute: status,
	},
	{
		name: "watch", args: "NAME", short: "Print a line when the leader changes, and for how long nobody led", long: watchHelp,
		least: 1, most: 1, flags: []string{"output"}, execute: watchLease,
	},
	{
		name: "step-down", args: "NAME", short: "Ask the leader to step down, and wait until another leads", long: stepDownHelp,
		least: 1, most: 1, flags: []string{"timeout"}, execute: stepDown,
	},
	{name: "options", short: "List the flags that all commands take", execute: listOptions},
	{name: "version", short: "Print the version of this plugin", execute: printVersion},
}

// run executes the command line, and returns the exit code.
func run(ctx context.Context, args []string, out, errs io.Writer) int {
	o := newOptions()
	err := dispatch(ctx, o, args, out, errs)
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, errNo):
		return exitNo
	case errors.Is(err, errNobody):
		return exitNobody
	case ctx.Err() != nil:
		return exitInterrupted
	}
	fmt.Fprintln(errs, "error:", clean(strings.ReplaceAll(err.Error(), "\n", "; ")))
	if errors.As(err, new(*usageError)) {
		fmt.Fprintln(errs, "See 'kubectl elector --help'.")
		return exitUsage
	}
	return exitFailed
}

func dispatch(ctx context.Context, o *options, args []string, out, errs io.Writer) error {
	if err := o.flags.Parse(args); err != nil {
		return usagef("%v", err)
	}
	args = o.flags.Args()
	if len(args) > 0 && args[0] == "help" {
		args, o.help = args[1:], true
	}
	if len(args) == 0 {
		printHelp(out)
		return nil
	}
	at := slices.IndexFunc(commands, func(c command) bool { return c.name == args[0] })
	if at < 0 {
		return usagef("unknown command %q", args[0])
	}
	c, args := commands[at], args[1:]
	if o.help {
		o.printHelpOf(c, out)
		return nil
	}
	if err := o.validate(c, args); err != nil {
		return err
	}
	return c.execute(ctx, newSession(o, out, errs), args)
}

// validate returns what is wrong with the command line.
func (o *options) validate(c command, args []string) error {
	var faults []error
	o.flags.Visit(func(f *pflag.Flag) {
		if slices.Contains(o.own, f.Name) && !slices.Contains(c.flags, f.Name) {
			faults = append(faults, fmt.Errorf("--%s: is not a flag of %s", f.Name, c.name))
		}
	})
	switch {
	case len(args) < c.least:
		faults = append(faults, fmt.Errorf("%s: needs the NAME of a Lease", c.name))
	case len(args) > c.most:
		faults = append(faults, fmt.Errorf("%s: takes %d arguments at most, not %q", c.name, c.most, args))
	}
	if formats := c.formats(); o.output != "" && formats != nil && !slices.Contains(formats, o.output) {
		faults = append(faults, fmt.Errorf("--output: %q: must be %s", o.output, strings.Join(formats, " or ")))
	}
	if o.timeout <= 0 {
		faults = append(faults, fmt.Errorf("--timeout: %v: must be more than 0", o.timeout))
	}
	if o.checkAs != "" && len(args) == 0 {
		faults = append(faults, errors.New("--check-as: needs the NAME of a Lease"))
	}
	if o.all && len(args) > 0 {
		faults = append(faults, fmt.Errorf("--all-namespaces: must not be set for the one Lease %q", args[0]))
	}
	if len(faults) > 0 {
		return &usageError{errors.Join(faults...).Error()}
	}
	return nil
}

func (c command) formats() []string {
	if c.name == "status" {
		return []string{"json", "wide"}
	}
	return []string{"json"}
}
