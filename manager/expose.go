// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
)

// exposeMetrics puts the Elector's metrics into controller-runtime's registry,
// and returns the function that takes them out.
func (m *Manager) exposeMetrics() func() {
	collector := m.elector.Collector()
	if err := metrics.Registry.Register(collector); err != nil {
		// Another replica in this very process contends for the same Lease. Without
		// an election they are alike, and what the other one serves is true of both.
		level := slog.LevelDebug
		if m.config.Enabled {
			level = slog.LevelWarn
		}
		m.gate.log.Log(context.Background(), level, "this Elector's metrics are not served", "err", err)
		return func() {}
	}
	return func() { metrics.Registry.Unregister(collector) }
}

var missingPermissions = prometheus.NewGaugeVec(prometheus.GaugeOpts{
	Name: "elector_missing_permissions",
	Help: "Whether this replica lacks a permission on the Lease (1), as found when it was last checked. Without watch it takes over more slowly, without another one it cannot lead.",
}, []string{"lease_namespace", "lease_name", "verb"})

// exposePermissions registers the gauge, which all Managers of a process share.
var exposePermissions = sync.OnceFunc(func() { metrics.Registry.MustRegister(missingPermissions) })

// exposeMissing sets the gauge by the verbs that are missing.
func exposeMissing(namespace, name string, missing []string) {
	exposePermissions()
	for _, verb := range leaseVerbs {
		value := 0.0
		if slices.Contains(missing, verb) {
			value = 1
		}
		missingPermissions.WithLabelValues(namespace, name, verb).Set(value)
	}
}

// AddHealthzCheck adds a liveness check, as controller-runtime's manager does. It
// refuses the name given to [WithHealthzCheck]: the later check of a name
// replaces the earlier one, and the Elector's would be gone unnoticed.
func (m *Manager) AddHealthzCheck(name string, check healthz.Checker) error {
	if name == m.settings.healthz && name != "" {
		return fmt.Errorf("manager: AddHealthzCheck: %q: is the name of the Elector's check (WithHealthzCheck): choose another", name)
	}
	return m.managed.Manager.AddHealthzCheck(name, check) //nolint:wrapcheck // it is the embedded manager's answer
}
