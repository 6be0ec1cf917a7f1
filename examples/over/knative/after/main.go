// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

// Command my-operator reconciles the ConfigMaps of a namespace. The page in the folder above is about it.
package main

import (
	"context"
	"flag"
	"os"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/kube-elector/elector/manager"
)

func main() {
	metricsAddr := flag.String("metrics-bind-address", ":9090", "address of the metrics")
	namespace := flag.String("namespace", os.Getenv("SYSTEM_NAMESPACE"), "the operator's namespace")
	flag.Parse()
	ctrl.SetLogger(klog.Background())

	mgr, err := manager.New(ctrl.GetConfigOrDie(), ctrl.Options{
		Metrics:                 metricsserver.Options{BindAddress: *metricsAddr},
		Cache:                   cache.Options{DefaultNamespaces: map[string]cache.Config{*namespace: {}}},
		LeaderElection:          true,
		LeaderElectionID:        "my-operator",
		LeaderElectionNamespace: *namespace,
	}, manager.WithShards(64))
	if err == nil {
		err = newController(mgr)
	}
	if err == nil {
		err = mgr.Start(ctrl.SetupSignalHandler())
	}
	if err != nil {
		ctrl.Log.Error(err, "unable to go on")
		os.Exit(1)
	}
}

func newController(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).For(&corev1.ConfigMap{}).Complete(&configMaps{reader: mgr.GetClient()})
}

type configMaps struct {
	reader client.Reader
}

func (r *configMaps) Reconcile(ctx context.Context, key ctrl.Request) (ctrl.Result, error) {
	cm := &corev1.ConfigMap{}
	if err := r.reader.Get(ctx, key.NamespacedName, cm); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	ctrl.LoggerFrom(ctx).Info("reconciled", "name", cm.Name)
	return ctrl.Result{}, nil
}
