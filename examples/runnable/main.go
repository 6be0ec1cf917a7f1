// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

// Command runnable is the smallest use of an Elector: a Runnable of a controller-runtime manager. To use it without
// controller-runtime, call e.Start(ctx) instead of adding it to a manager.
package main

import (
	"context"
	"flag"
	"log/slog"
	"os"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/util/wait"
	ctrl "sigs.k8s.io/controller-runtime"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/kube-elector/elector/elector"
)

func main() {
	flag.Parse() // controller-runtime's --kubeconfig
	logger := slog.New(slog.NewTextHandler(os.Stderr, nil))
	if err := run(ctrl.SetupSignalHandler(), logger); err != nil {
		logger.Error("runnable has ended", "err", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, logger *slog.Logger) error {
	cfg, err := ctrl.GetConfig()
	if err != nil {
		return err
	}
	config := elector.Config{Enabled: true, LeaseName: "runnable", LeaseNamespace: "default", ReleaseOnCancel: true}
	clientset, err := elector.NewClientset(cfg, config)
	if err != nil {
		return err
	}
	// What only the leader may do. The lease is released when it has returned.
	work := func(ctx context.Context) {
		wait.UntilWithContext(ctx, func(context.Context) { logger.Info("working") }, time.Second)
	}
	e, err := elector.New(&config, clientset, elector.Callbacks{OnStartedLeading: work}, logger)
	if err != nil {
		return err
	}
	mgr, err := ctrl.NewManager(cfg, ctrl.Options{ // Its own LeaderElection stays off.
		Logger: logr.FromSlogHandler(logger.Handler()), Metrics: metricsserver.Options{BindAddress: "0"},
	})
	if err != nil {
		return err
	}
	if err := mgr.Add(e); err != nil {
		return err
	}
	return mgr.Start(ctx)
}
