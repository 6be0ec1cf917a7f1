// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

// Command operator reconciles the Beacons of one namespace: in one of its replicas at a time, or, with --shards, in all
// of them, each of which has its share. It is an operator as kubebuilder lays it out, but for manager.New instead of
// ctrl.NewManager, with an option that keeps a replica that lost the lease standing by in the same process.
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/klog/v2"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client/config"
	ctrlconfig "sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/kube-elector/elector/elector"
	"github.com/kube-elector/elector/examples/operator/api/v1alpha1"
	operatorconfig "github.com/kube-elector/elector/examples/operator/config"
	"github.com/kube-elector/elector/examples/operator/internal/controller"
	"github.com/kube-elector/elector/examples/operator/report"
	"github.com/kube-elector/elector/manager"
)

func main() {
	logger := slog.New(slog.NewJSONHandler(os.Stdout, nil))
	ctrl.SetLogger(manager.NewLogr(logger))
	klog.SetSlogLogger(logger) // client-go's
	if err := run(ctrl.SetupSignalHandler(), os.Args[1:], logger); err != nil {
		logger.Error("the operator has ended", "err", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, logger *slog.Logger) error {
	o, err := parseFlags(args)
	if err != nil {
		return err
	}
	if o.printFencing {
		return printFencing(os.Stdout, o)
	}
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			return err
		}
	}
	cfg, err := ctrl.GetConfig()
	if err != nil {
		return fmt.Errorf("finding the cluster: %w", err)
	}
	reporter := report.New(o.reportInterval, logger)
	more, err := extras(o, reporter, logger)
	if err != nil {
		return err
	}
	// The one line that is not kubebuilder's: manager.New instead of ctrl.NewManager.
	mgr, err := manager.New(cfg, ctrl.Options{
		Scheme:                  scheme,
		Metrics:                 metricsserver.Options{BindAddress: o.metricsAddress},
		HealthProbeBindAddress:  o.probeAddress,
		LeaderElection:          o.election.Enabled,
		LeaderElectionID:        o.election.LeaseName,
		LeaderElectionNamespace: o.election.LeaseNamespace,
		LeaseDuration:           &o.election.LeaseDuration,
		RenewDeadline:           &o.election.RenewDeadline,
		RetryPeriod:             &o.election.RetryPeriod,
		Cache:                   cache.Options{DefaultNamespaces: map[string]cache.Config{o.namespace: {}}},
		// The tests run several replicas in a process.
		Controller: ctrlconfig.Controller{SkipNameValidation: ptr.To(true)},
	}, more...)
	if err != nil {
		return err
	}
	if err := (&controller.BeaconReconciler{
		Client: mgr.GetClient(), Now: time.Now, Reconciled: worked(o, reporter),
	}).SetupWithManager(mgr); err != nil {
		return err
	}
	if err := mgr.AddHealthzCheck("healthz", healthz.Ping); err != nil {
		return err
	}
	if err := mgr.AddReadyzCheck("readyz", healthz.Ping); err != nil {
		return err
	}
	var reporting sync.WaitGroup
	ctx, cancel := context.WithCancel(ctx)
	defer func() {
		cancel()
		reporting.Wait()
	}()
	reporting.Go(func() { reporter.Run(ctx, mgr.Elector()) })
	return mgr.Start(ctx)
}

// extras returns the options of the manager that kubebuilder's has not.
func extras(o options, reporter *report.Reporter, logger *slog.Logger) ([]manager.Option, error) {
	more := []manager.Option{
		manager.WithLogger(logger), manager.WithHealthzCheck("elector"), manager.WithCallbacks(reporter.Callbacks()),
		// A BeaconReconciler remembers nothing between requests.
		manager.WithReElection(),
	}
	if o.leaderService {
		service, err := leaderService(o)
		if err != nil {
			return nil, err
		}
		more = append(more, service)
	}
	if o.shards > 0 {
		more = append(more, manager.WithShards(o.shards))
	}
	if o.crashDetection {
		more = append(more, manager.WithCrashDetection(o.crash))
	}
	if o.fencing {
		more = append(more, manager.WithFencing(fencingSettings(o)))
	}
	return more, nil
}

// worked returns what counts reconciles.
func worked(o options, reporter *report.Reporter) func(elector.Term) {
	if o.shards > 0 {
		return reporter.WorkedInShard
	}
	return reporter.Worked
}

// options are what the flags say.
type options struct {
	metricsAddress, probeAddress string
	namespace                    string
	election                     elector.Config
	reportInterval               time.Duration
	shards                       int
	fencing, printFencing        bool
	leaderService                bool
	crashDetection               bool
	crash                        elector.CrashDetection
}

func parseFlags(args []string) (options, error) {
	podNamespace := os.Getenv("POD_NAMESPACE")
	o := options{election: elector.Config{LeaseName: operatorconfig.LeaseName, LeaseNamespace: podNamespace}}
	flags := flag.NewFlagSet("operator", flag.ContinueOnError)
	config.RegisterFlags(flags)
	o.election.BindFlags(flags)
	flags.StringVar(&o.metricsAddress, "metrics-bind-address", "0", "address of /metrics, such as :8080; 0 for none")
	flags.StringVar(&o.probeAddress, "health-probe-bind-address", ":8081", "address of /healthz and /readyz; 0 for none")
	flags.StringVar(&o.namespace, "namespace", podNamespace, "whose Beacons to reconcile: $POD_NAMESPACE by default, all if empty")
	flags.DurationVar(&o.reportInterval, "report-interval", 0, "say in the log so often what this replica is doing; 0 for never")
	flags.IntVar(&o.shards, "shards", 0, "divide the Beacons into so many shards, which all replicas share; 0 leaves all of them to the leader")
	flags.BoolVar(&o.fencing, "fencing", false, "have the API server refuse writes of replicas that do not lead; needs $POD_UID and $POD_SERVICE_ACCOUNT")
	flags.BoolVar(&o.crashDetection, "crash-detection", false, "take over as soon as the leader's container has ended; needs $POD_NAME, $POD_NAMESPACE and $POD_UID")
	flags.StringVar(&o.crash.TerminationLog, "termination-log", "", "for --crash-detection, where the container's termination log is; found among the mounts by default")
	flags.DurationVar(&o.crash.Grace, "crash-grace", 0, "for --crash-detection, how long to wait after the report; negative for not at all. Default: lease duration minus renew deadline")
	flags.BoolVar(&o.leaderService, "leader-service", false, "make the Service "+operatorconfig.LeaderService+" point at the leader's /metrics")
	flags.BoolVar(&o.printFencing, "print-fencing", false, "print the policies of --fencing, for $POD_NAMESPACE and $POD_SERVICE_ACCOUNT, and do no more")
	if err := flags.Parse(args); err != nil {
		return options{}, err
	}
	if flags.NArg() > 0 {
		return options{}, fmt.Errorf("unexpected argument %q: only flags are taken", flags.Arg(0))
	}
	return o, nil
}
