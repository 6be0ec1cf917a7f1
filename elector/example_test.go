// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"

	"github.com/kube-elector/elector/elector"
)

// run leads when it is this replica's turn, until ctx is cancelled.
func run(ctx context.Context) error {
	cfg, err := rest.InClusterConfig()
	if err != nil {
		return err
	}
	config := elector.Config{Enabled: true, LeaseName: "reporter", ReleaseOnCancel: true}
	clientset, err := elector.NewClientset(cfg, config)
	if err != nil {
		return err
	}
	e, err := elector.New(&config, clientset, elector.Callbacks{OnStartedLeading: report}, slog.Default())
	if err != nil {
		return err
	}
	return e.Start(ctx)
}

// report does the leader's work until ctx is cancelled.
func report(ctx context.Context) {
	for ctx.Err() == nil {
		fmt.Println("all is well")
		select {
		case <-time.After(time.Minute):
		case <-ctx.Done():
		}
	}
}

// An Elector that logs through a logr.Logger, such as klog's or ctrl.Log. It leads without an election here.
func ExampleNew_logr() {
	config := elector.Config{}
	logger := slog.New(logr.ToSlogHandler(klog.Background()))
	if _, err := elector.New(&config, nil, elector.Callbacks{OnStartedLeading: report}, logger); err != nil {
		fmt.Println(err)
	}
	// Output:
}

// A program whose replicas elect one that reports. This would be its main.
func ExampleNew() { //nolint:testableexamples // it needs a cluster
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
