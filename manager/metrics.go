// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"context"
	"log/slog"
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/kube-elector/elector/elector"
)

// exposeMetrics puts the metrics of the Elector, the shards and the Gate into controller-runtime's registry, and
// returns the function that takes them out.
func (m *Manager) exposeMetrics() func() {
	collectors := []prometheus.Collector{m.elector.Collector(), m.gate.parkedRequests(m.config)}
	if m.shards != nil {
		collectors = append(collectors, m.shards.Collector())
	}
	var served []prometheus.Collector
	for _, c := range collectors {
		if err := metrics.Registry.Register(c); err != nil {
			// Another replica in this very process contends for the same Lease. Without an election they are alike, and what the
			// other one serves is true of both.
			level := slog.LevelDebug
			if m.config.Enabled {
				level = slog.LevelWarn
			}
			m.gate.log.Log(context.Background(), level, "this replica's metrics are not served", "err", err)
			break
		}
		served = append(served, c)
	}
	return func() {
		for _, c := range served {
			metrics.Registry.Unregister(c)
		}
	}
}

// parked collects how many requests each controller's queue keeps.
type parked struct {
	tenures *tenures
	desc    *prometheus.Desc
}

// parkedRequests returns the metric of the requests that are kept until a term covers them.
func (g *Gate) parkedRequests(c elector.Config) prometheus.Collector {
	return parked{g.tenures, prometheus.NewDesc("elector_parked_requests",
		"Requests of a controller that are kept until this replica leads, or has their shard.",
		[]string{"controller"}, prometheus.Labels{"lease_namespace": c.LeaseNamespace, "lease_name": c.LeaseName})}
}

func (p parked) Describe(ch chan<- *prometheus.Desc) { ch <- p.desc }

func (p parked) Collect(ch chan<- prometheus.Metric) {
	all := map[string]int{}
	for _, q := range p.tenures.all() {
		controller, n := q.waiting()
		all[controller] += n // a name may be that of several
	}
	for controller, n := range all {
		ch <- prometheus.MustNewConstMetric(p.desc, prometheus.GaugeValue, float64(n), controller)
	}
}

var missingPermissions = prometheus.NewGaugeVec(prometheus.GaugeOpts{
	Name: "elector_missing_permissions",
	Help: "Whether this replica lacks a permission on the Lease (1), as found when it was last checked. Without watch it takes over more slowly, without another one it cannot lead.",
}, []string{"lease_namespace", "lease_name", "verb"})

// exposePermissions registers the gauge, which all Managers of a process share.
var exposePermissions = sync.OnceFunc(func() { metrics.Registry.MustRegister(missingPermissions) })

// exposeMissing sets the gauge by the verbs that are missing.
func exposeMissing(namespace, name string, verbs, missing []string) {
	exposePermissions()
	for _, verb := range verbs {
		value := 0.0
		if slices.Contains(missing, verb) {
			value = 1
		}
		missingPermissions.WithLabelValues(namespace, name, verb).Set(value)
	}
}
