// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"io"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/client-go/tools/clientcmd"
)

// options are what the flags say.
type options struct {
	flags      *pflag.FlagSet
	own        []string // names of the flags that belong to some commands only
	kubeconfig string
	overrides  clientcmd.ConfigOverrides

	help       bool
	all        bool
	heartbeats bool
	output     string
	checkAs    string
	timeout    time.Duration
}

func newOptions() *options {
	o := &options{}
	flags := pflag.NewFlagSet("kubectl elector", pflag.ContinueOnError)
	flags.SortFlags = false
	flags.SetOutput(io.Discard)
	flags.BoolVarP(&o.all, "all-namespaces", "A", false, "Show the Leases of all namespaces")
	flags.StringVarP(&o.output, "output", "o", "", "json for scripts, or wide for all columns at full length (of status)")
	flags.BoolVar(&o.heartbeats, "heartbeats", false, "Show also Leases that are no elections: heartbeats of nodes and API servers")
	flags.StringVar(&o.checkAs, "check-as", "", "Tell which permissions on the Lease this `SERVICEACCOUNT`, or NAMESPACE:NAME, lacks as a candidate")
	flags.DurationVar(&o.timeout, "timeout", 2*time.Minute, "How long to wait until another replica leads")
	flags.VisitAll(func(f *pflag.Flag) { o.own = append(o.own, f.Name) })

	names := clientcmd.RecommendedConfigOverrideFlags("")
	names.ContextOverrideFlags.Namespace.Description = "The namespace, if it is not the context's"
	names.ClusterOverrideFlags.APIServer.ShortName = "s"
	flags.StringVar(&o.kubeconfig, "kubeconfig", "", "Path to the kubeconfig file, if it is not $KUBECONFIG or ~/.kube/config")
	clientcmd.BindOverrideFlags(&o.overrides, flags, names)
	flags.BoolVarP(&o.help, "help", "h", false, "Show help")
	o.flags = flags
	return o
}

// selected returns some of the flags, for help.
func (o *options) selected(wanted func(*pflag.Flag) bool) string {
	some := pflag.NewFlagSet("", pflag.ContinueOnError)
	some.SortFlags = false
	o.flags.VisitAll(func(f *pflag.Flag) {
		if wanted(f) {
			some.AddFlag(f)
		}
	})
	return some.FlagUsagesWrapped(helpWidth)
}

const helpWidth = 80

const exitHelp = `Exit codes:
  0  done
  1  the request failed: no such Lease, no permission, no API server
  2  the command line is wrong
  3  the answer is no: --check-as found missing permissions, or the Lease's
     holder cannot be asked to step down
  4  step-down: asked, but no other replica leads yet
`

func printHelp(out io.Writer) {
	fmt.Fprint(out, `Show who leads, by the Leases of a cluster, and ask a leader to step down.

Usage:
  kubectl elector COMMAND [flags]

Commands:
`)
	for _, c := range commands {
		for i, line := range wrap(c.short, helpWidth-14) {
			name := c.name
			if i > 0 {
				name = ""
			}
			fmt.Fprintf(out, "  %-11s %s\n", name, line)
		}
	}
	fmt.Fprintf(out, "\n%s\nSee 'kubectl elector COMMAND --help' for a command.\n", exitHelp)
}

// printHelpOf prints the help of a command.
func (o *options) printHelpOf(c command, out io.Writer) {
	usage := strings.Join(strings.Fields("kubectl elector "+c.name+" "+c.args+" [flags]"), " ")
	fmt.Fprintf(out, "%s.\n\n%s", c.short, c.long)
	if c.long != "" {
		fmt.Fprintln(out)
	}
	fmt.Fprintf(out, "Usage:\n  %s\n\nFlags:\n%s", usage, o.selected(func(f *pflag.Flag) bool {
		switch f.Name {
		case "namespace", "context", "kubeconfig":
			return true
		}
		return slices.Contains(c.flags, f.Name)
	}))
	fmt.Fprintln(out, "\nSee 'kubectl elector options' for the flags that all commands take.")
}

func listOptions(_ context.Context, s *session, _ []string) error {
	fmt.Fprintf(s.out, "These flags work as kubectl's, with every command:\n\n%s", s.options.selected(func(f *pflag.Flag) bool {
		return !slices.Contains(s.options.own, f.Name)
	}))
	return nil
}

func printVersion(_ context.Context, s *session, _ []string) error {
	version := "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		version = info.Main.Version
	}
	fmt.Fprintln(s.out, "kubectl-elector", version)
	return nil
}
