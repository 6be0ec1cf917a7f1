// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package shards

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/kube-elector/elector/elector"
)

// What became of a shard's last holder: the values of the label cause of elector_shards_acquired_total.
const (
	causeNew     = "new"     // there was no Lease
	causeGiven   = "given"   // it was released
	causeLapsed  = "lapsed"  // its session has ended
	causeCrashed = "crashed" // its session was ended since the replica had crashed
	causeResumed = "resumed" // it was this replica, in its session before
	causeEdited  = "edited"  // the record names no session
)

// lostCauses are the values of the label cause of elector_shards_lost_total, and all errors that a shard's term ends
// with.
var lostCauses = map[string]error{
	"given": ErrGivenBack, "stopped": elector.ErrStopped, "expired": elector.ErrLeaseExpired,
	"taken_over": elector.ErrTakenOver, "deleted": elector.ErrLeaseDeleted, "blind": ErrBlind, "other_count": ErrCount,
}

// metrics are what Collector returns.
type metrics struct {
	s                                                *Shards
	acquired, lost                                   *prometheus.CounterVec
	unserved, drains                                 prometheus.Histogram
	total, held, members, unowned, unownedS, refused *prometheus.Desc
}

func newMetrics(s *Shards) *metrics {
	labels := prometheus.Labels{"lease_namespace": s.config.LeaseNamespace, "lease_name": s.config.LeaseName}
	counter := func(name, help string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help, ConstLabels: labels}, []string{"cause"})
	}
	histogram := func(name, help string) prometheus.Histogram {
		return prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: name, Help: help, Buckets: prometheus.ExponentialBuckets(.001, 2, 16), ConstLabels: labels,
		})
	}
	gauge := func(name, help string) *prometheus.Desc { return prometheus.NewDesc(name, help, nil, labels) }
	m := &metrics{
		s:        s,
		acquired: counter("elector_shards_acquired_total", "Shards that this replica has claimed, by what became of the last holder."),
		lost:     counter("elector_shards_lost_total", "Shards that this replica has given back or lost, by cause."),
		unserved: histogram("elector_shards_unserved_seconds", "From seeing that nobody holds a shard to holding it."),
		drains:   histogram("elector_shards_drain_duration_seconds", "How long the work of a shard took to end."),
		total:    gauge("elector_shards", "How many shards the set has."),
		held:     gauge("elector_shards_held", "How many shards this replica holds."),
		members:  gauge("elector_shards_members", "How many replicas take part in the set, as this one sees it."),
		unowned:  gauge("elector_shards_unowned", "How many shards nobody holds, as this replica sees it."),
		refused:  gauge("elector_shards_refused", "Whether this replica serves nothing since others with another number of shards are running (1)."),
		unownedS: gauge("elector_shards_unowned_seconds", "For how long a shard has had no holder, as this replica sees it: the longest time; 0 when all have one."),
	}
	for _, cause := range []string{causeNew, causeGiven, causeLapsed, causeCrashed, causeResumed, causeEdited} {
		m.acquired.WithLabelValues(cause)
	}
	for cause := range lostCauses {
		m.lost.WithLabelValues(cause)
	}
	return m
}

// Describe implements prometheus.Collector.
func (m *metrics) Describe(ch chan<- *prometheus.Desc) {
	for _, c := range []prometheus.Collector{m.acquired, m.lost, m.unserved, m.drains} {
		c.Describe(ch)
	}
	for _, d := range []*prometheus.Desc{m.total, m.held, m.members, m.unowned, m.unownedS, m.refused} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	for _, c := range []prometheus.Collector{m.acquired, m.lost, m.unserved, m.drains} {
		c.Collect(ch)
	}
	gauge := func(d *prometheus.Desc, value float64) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value)
	}
	members, unowned, longest := m.s.view.summary(time.Now())
	gauge(m.total, float64(m.s.n))
	gauge(m.held, float64(len(m.s.Held())))
	gauge(m.members, float64(members))
	gauge(m.unowned, float64(unowned))
	gauge(m.unownedS, longest.Seconds())
	m.s.mu.Lock()
	refused := m.s.refused
	m.s.mu.Unlock()
	if refused {
		gauge(m.refused, 1)
	} else {
		gauge(m.refused, 0)
	}
}

func (m *metrics) ended(h *holding) {
	m.drains.Observe(time.Since(h.ending).Seconds())
	cause := context.Cause(h.part.Context())
	for label, err := range lostCauses {
		if errors.Is(cause, err) {
			m.lost.WithLabelValues(label).Inc()
		}
	}
}
