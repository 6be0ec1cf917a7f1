// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector_test

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/kube-elector/elector/elector"
	"github.com/kube-elector/elector/elector/leasetest"
)

// The flags of Kubernetes' components. What is in the Config before is their default.
func ExampleConfig_BindFlags() {
	config := elector.Config{LeaseName: "my-operator", ReleaseOnCancel: true}
	flags := flag.NewFlagSet("my-operator", flag.ContinueOnError) // flag.CommandLine, in a main
	config.BindFlags(flags)
	if err := flags.Parse([]string{"--leader-elect", "--leader-elect-lease-duration=30s"}); err != nil {
		fmt.Println(err)
	}
	fmt.Println(config.Enabled, config.LeaseName, config.LeaseDuration, config.RenewDeadline)
	// Output: true my-operator 30s 10s
}

// All that is wrong is in one error.
func ExampleConfig_Validate() {
	fmt.Println(elector.Config{
		Enabled: true, LeaseName: "my-operator", LeaseNamespace: "default", LeaseDuration: 10 * time.Second, RetryPeriod: 2,
	}.Validate())
	// Output:
	// RetryPeriod: 2ns: must be at least 10ms; a number without a unit counts nanoseconds: did you mean 2s?
	// LeaseDuration: 10s: must be greater than RenewDeadline (10s), or the work has no time to stop before another leads
}

// The metrics of an Elector in a registry of one's own. With controller-runtime that is metrics.Registry.
func ExampleElector_Collector() {
	e, err := elector.New(&elector.Config{Enabled: true, LeaseName: "my-operator", LeaseNamespace: "default"},
		leasetest.NewServer().Client("a"), elector.Callbacks{}, slog.New(slog.DiscardHandler))
	if err != nil {
		fmt.Println(err)
		return
	}
	registry := prometheus.NewRegistry()
	if err := registry.Register(e.Collector()); err != nil {
		fmt.Println(err)
	}
	families, err := registry.Gather()
	for _, family := range families {
		if family.GetName() == "elector_leading" {
			fmt.Println(family.GetName(), family.GetMetric()[0].GetGauge().GetValue(), err)
		}
	}
	// Output: elector_leading 0 <nil>
}

// client-go's own example of leader election, moved over. There is no os.Exit, and the Lease is released when the work
// has returned: see "From client-go" in the package comment.
func ExampleNew_fromClientGo() {
	clientset := leasetest.NewServer().Client("a") // was kubernetes.NewForConfig; now elector.NewClientset, in a cluster
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	config := elector.Config{ // was leaderelection.LeaderElectionConfig
		Enabled:         true,        // new
		LeaseName:       "example",   // was in the LeaseLock
		LeaseNamespace:  "default",   // was in the LeaseLock
		Identity:        "replica-a", // was in the LeaseLock
		ReleaseOnCancel: true,
		LeaseDuration:   60 * time.Second,
		RenewDeadline:   15 * time.Second,
		RetryPeriod:     5 * time.Second,
	}
	callbacks := elector.Callbacks{
		OnStartedLeading: func(ctx context.Context) {
			fmt.Println("work")
			cancel() // A signal does that in client-go's example.
			<-ctx.Done()
		},
		OnStoppedLeading: func() { fmt.Println("stopped") }, // was os.Exit(0)
		OnNewLeader:      func(string) {},
	}
	e, err := elector.New(&config, clientset, callbacks, slog.New(slog.DiscardHandler)) // was RunOrDie
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(e.Start(ctx)) // and main returns
	// Output:
	// work
	// stopped
	// <nil>
}
