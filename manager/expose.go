// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"fmt"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/tools/record"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
)

// exposeMetrics puts the Elector's metrics into controller-runtime's registry,
// and returns the function that takes them out.
func (m *Manager) exposeMetrics() func() {
	collector := m.elector.Collector()
	if err := metrics.Registry.Register(collector); err != nil {
		// Another replica in this very process contends for the same Lease.
		m.gate.log.Warn("this Elector's metrics are not served", "err", err)
		return func() {}
	}
	return func() { metrics.Registry.Unregister(collector) }
}

// AddHealthzCheck adds a liveness check, as controller-runtime's manager does. It
// refuses the name given to [WithHealthzCheck]: the later check of a name
// replaces the earlier one, and the Elector's would be gone unnoticed.
func (m *Manager) AddHealthzCheck(name string, check healthz.Checker) error {
	if name == m.settings.healthz && name != "" {
		return fmt.Errorf("manager: AddHealthzCheck: %q: is the name of the Elector's check (WithHealthzCheck): choose another", name)
	}
	return m.inner.AddHealthzCheck(name, check) //nolint:wrapcheck // it is the embedded manager's answer
}

// leaseEvents records the Elector's Events through the manager's recorder. It
// uses the core Events API as controller-runtime's own leader election does:
// the Role that kubebuilder generates allows no other.
type leaseEvents struct{ recorder record.EventRecorder }

var _ events.EventRecorder = (*leaseEvents)(nil)

// Eventf drops the related object and the action, which core Events lack.
func (l *leaseEvents) Eventf(regarding, _ runtime.Object, eventtype, reason, _, note string, args ...any) {
	l.recorder.Eventf(regarding, eventtype, reason, note, args...)
}
