// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

// Command replica runs in pods of make node-test beside the operator. It is a candidate of client-go or of
// controller-runtime, a probe, a container that does nothing, or it ends the container of another pod.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	ctrlmanager "sigs.k8s.io/controller-runtime/pkg/manager"

	operatorconfig "github.com/kube-elector/elector/examples/operator/config"
	"github.com/kube-elector/elector/examples/operator/report"
	"github.com/kube-elector/elector/manager"
	"github.com/kube-elector/elector/test/harness"
	"github.com/kube-elector/elector/test/node/victim"
)

func main() {
	logger := slog.New(slog.NewJSONHandler(os.Stdout, nil))
	ctrl.SetLogger(manager.NewLogr(logger))
	klog.SetSlogLogger(logger)
	if err := run(os.Args[1:], logger); err != nil {
		logger.Error("the replica has ended", "err", err)
		os.Exit(1)
	}
}

func run(args []string, logger *slog.Logger) error {
	switch {
	case len(args) == 1 && args[0] == harness.ClientGo:
		return compete(logger, runClientGo)
	case len(args) == 1 && args[0] == harness.ControllerRuntime:
		return compete(logger, runControllerRuntime)
	case len(args) == 1 && args[0] == "probe":
		return probe()
	case len(args) == 1 && args[0] == "idle":
		<-ctrl.SetupSignalHandler().Done()
		return nil
	case len(args) == 2 && args[0] == "kill":
		return kill(args[1], logger)
	}
	return fmt.Errorf("unexpected arguments %q", args)
}

// compete runs a candidate until it is told to end, or has lost the leadership.
func compete(logger *slog.Logger, candidate func(context.Context, *rest.Config, harness.Candidate, func(context.Context)) error) error {
	cfg, err := rest.InClusterConfig()
	if err != nil {
		return err
	}
	say := func(event string) { report.Report{Event: event}.Log(logger) }
	c := harness.Candidate{
		Namespace: os.Getenv("POD_NAMESPACE"), Lease: operatorconfig.LeaseName, Timing: harness.Defaults,
		Identity: fmt.Sprintf("%s_%d", os.Getenv("POD_NAME"), time.Now().UnixNano()), // another one after each restart
	}
	return candidate(ctrl.SetupSignalHandler(), cfg, c, func(ctx context.Context) {
		say(report.EventLeading)
		<-ctx.Done()
		say(report.EventStopped)
	})
}

func runClientGo(ctx context.Context, cfg *rest.Config, c harness.Candidate, lead func(context.Context)) error {
	client, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		return err
	}
	var work sync.WaitGroup
	e, err := harness.LeaderElector(client, c, leaderelection.LeaderCallbacks{
		OnStartedLeading: func(ctx context.Context) { work.Go(func() { lead(ctx) }) }, OnStoppedLeading: func() {},
	})
	if err != nil {
		return err
	}
	e.Run(ctx)
	work.Wait()
	if ctx.Err() == nil {
		return errors.New("leader election lost")
	}
	return nil
}

func runControllerRuntime(ctx context.Context, cfg *rest.Config, c harness.Candidate, lead func(context.Context)) error {
	o := c.Options()
	var err error
	o.LeaderElectionResourceLockInterface, err = resourcelock.NewFromKubeconfig(resourcelock.LeasesResourceLock, c.Namespace, c.Lease,
		resourcelock.ResourceLockConfig{Identity: c.Identity}, cfg, c.RenewDeadline)
	if err != nil {
		return err
	}
	mgr, err := ctrl.NewManager(cfg, o)
	if err != nil {
		return err
	}
	return errors.Join(mgr.Add(ctrlmanager.RunnableFunc(func(ctx context.Context) error {
		lead(ctx)
		return nil
	})), mgr.Start(ctx))
}

// probe returns an error if the first process of the container stands still.
func probe() error {
	stat, err := os.ReadFile("/proc/1/stat")
	if err != nil {
		return err
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	if strings.HasPrefix(rest, "T") {
		return errors.New("PID 1 is stopped")
	}
	return nil
}

// kill kills a container of this node from a privileged pod in the host's PID namespace, and logs when it was dead.
func kill(container string, logger *slog.Logger) error {
	p, err := victim.Find(container)
	if err != nil {
		return err
	}
	if err := p.Signal(victim.Kill...); err != nil {
		return err
	}
	if _, err := p.Death(time.Minute); err != nil {
		return err
	}
	report.Report{Event: report.EventStopped}.Log(logger)
	return p.Close()
}
