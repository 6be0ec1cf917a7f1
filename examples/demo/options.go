// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/kube-elector/elector/elector"
)

const (
	maxReplicas = 9
	maxObjects  = 1000
	maxPort     = 65535
)

// options are what the flags say.
type options struct {
	replicas      int
	objects       int
	shards        int // that the replicas share; 0: one of them leads
	leaseDuration time.Duration
	renewDeadline time.Duration
	retryPeriod   time.Duration
	pause         time.Duration // between one change of leader and the next
	kubeconfig    string        // "" for an embedded control plane
	metricsPort   int           // of the first replica; 0 for none
	out           string        // an absolute path
}

// parseOptions reads the flags. It returns flag.ErrHelp when only help was wanted, and has given it then.
func parseOptions(args []string, help io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("demo", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.Usage = func() {}
	flags.IntVar(&o.replicas, "replicas", 3, "replica processes of the operator")
	flags.IntVar(&o.objects, "objects", 20, "Beacons for them to reconcile, about once a second each")
	flags.IntVar(&o.shards, "shards", 0, "shards for the replicas to share, instead of one replica that leads (0: one leads)")
	flags.DurationVar(&o.leaseDuration, "lease-duration", elector.DefaultLeaseDuration, "how long a crash costs: the others wait so long")
	flags.DurationVar(&o.renewDeadline, "renew-deadline", elector.DefaultRenewDeadline, "a leader that cannot renew for so long stops")
	flags.DurationVar(&o.retryPeriod, "retry-period", elector.DefaultRetryPeriod, "time between two renewals")
	flags.DurationVar(&o.pause, "pause", 3*time.Second, "time to watch a leader work before the next fault")
	flags.StringVar(&o.kubeconfig, "kubeconfig", "", "use this cluster, in a namespace of its own, instead of an embedded control plane")
	flags.IntVar(&o.metricsPort, "metrics-port", 0, "serve the replicas' /metrics on this port of localhost and those that follow (0: do not)")
	flags.StringVar(&o.out, "out", filepath.FromSlash("bin/demo"), "directory for the timeline, the replicas' logs and the operator's binary")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			_, _ = fmt.Fprintln(help, "Three replicas of an operator elect, hand over and fail over on a real API server.")
			flags.SetOutput(help)
			flags.PrintDefaults()
		}
		return options{}, err
	}
	if flags.NArg() > 0 {
		return options{}, fmt.Errorf("unexpected argument %q: only flags are taken", flags.Arg(0))
	}
	if err := o.validate(); err != nil {
		return options{}, err
	}
	out, err := filepath.Abs(o.out)
	if err != nil {
		return options{}, fmt.Errorf("--out: %w", err)
	}
	o.out = out
	return o, nil
}

// validate reports all that is wrong.
func (o options) validate() error {
	var faults []error
	between := func(name string, value, low, high int) {
		if value < low || value > high {
			faults = append(faults, fmt.Errorf("--%s: %d: must be between %d and %d", name, value, low, high))
		}
	}
	between("replicas", o.replicas, 2, maxReplicas)
	between("objects", o.objects, 1, maxObjects)
	between("shards", o.shards, 0, maxShards)
	if o.metricsPort != 0 {
		between("metrics-port", o.metricsPort, 1, maxPort-o.replicas+1)
	}
	if o.pause < 0 || o.pause > time.Hour {
		faults = append(faults, fmt.Errorf("--pause: %v: must be between 0s and 1h", o.pause))
	}
	for name, d := range map[string]time.Duration{
		"lease-duration": o.leaseDuration, "renew-deadline": o.renewDeadline, "retry-period": o.retryPeriod,
	} {
		if d <= 0 { // The Config takes 0 for its default.
			faults = append(faults, fmt.Errorf("--%s: %v: must be positive", name, d))
		}
	}
	faults = append(faults, elector.Config{
		LeaseDuration: o.leaseDuration, RenewDeadline: o.renewDeadline, RetryPeriod: o.retryPeriod,
	}.Validate())
	if o.kubeconfig != "" {
		if _, err := os.Stat(o.kubeconfig); err != nil {
			faults = append(faults, fmt.Errorf("--kubeconfig: %w", err))
		}
	}
	return errors.Join(faults...)
}
