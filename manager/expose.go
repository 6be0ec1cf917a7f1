// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/tools/record"
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

// leaseEvents records the Elector's Events through the manager's recorder. It
// uses the core Events API as controller-runtime's own leader election does:
// the Role that kubebuilder generates allows no other.
type leaseEvents struct{ recorder record.EventRecorder }

var _ events.EventRecorder = (*leaseEvents)(nil)

// Eventf drops the related object and the action, which core Events lack.
func (l *leaseEvents) Eventf(regarding, _ runtime.Object, eventtype, reason, _, note string, args ...any) {
	l.recorder.Eventf(regarding, eventtype, reason, note, args...)
}
