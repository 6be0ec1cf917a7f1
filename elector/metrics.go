// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are what Collector gives, but for what is read at the scrape.
type metrics struct {
	elector                    *Elector
	terms                      *prometheus.CounterVec
	renewals, drains, handOver prometheus.Histogram
	watches                    prometheus.Counter
	leading, age               *prometheus.Desc
}

// causes are the values of the label cause, and all errors a term ends with.
var causes = map[string]error{
	"expired": ErrLeaseExpired, "taken_over": ErrTakenOver, "deleted": ErrLeaseDeleted,
	"stepped_down": ErrSteppedDown, "stopped": ErrStopped,
}

// voluntary reports whether a term with this cause could be ended in order.
func voluntary(cause error) bool {
	return errors.Is(cause, ErrStopped) || errors.Is(cause, ErrSteppedDown)
}

func newMetrics(e *Elector) *metrics {
	labels := prometheus.Labels{"lease_namespace": e.config.LeaseNamespace, "lease_name": e.config.LeaseName}
	histogram := func(name, help string, buckets []float64) prometheus.Histogram {
		return prometheus.NewHistogram(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets, ConstLabels: labels})
	}
	m := &metrics{
		elector: e,
		terms: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "elector_terms_total", ConstLabels: labels,
			Help: "Terms of this replica that have ended, by cause."}, []string{"cause"}),
		watches: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "elector_watch_restarts_total", ConstLabels: labels,
			Help: "Attempts to open a watch of the Lease after the first."}),
		renewals: histogram("elector_renew_duration_seconds",
			"How long acknowledged renewals took.", prometheus.ExponentialBuckets(.001, 2, 14)),
		drains: histogram("elector_drain_duration_seconds",
			"How long the ends of terms took, from the context's cancellation to the release.", prometheus.ExponentialBuckets(.001, 4, 9)),
		handOver: histogram("elector_handover_duration_seconds",
			"From seeing the Lease released to holding it.", prometheus.ExponentialBuckets(.001, 2, 14)),
		leading: prometheus.NewDesc("elector_leading",
			"Whether this replica leads (1) or stands by (0).", nil, labels),
		age: prometheus.NewDesc("elector_last_renewal_age_seconds",
			"Time since the last acknowledged renewal was sent; absent when not leading.", nil, labels),
	}
	for cause := range causes {
		m.terms.WithLabelValues(cause)
	}
	return m
}

// metrics are made when first needed: they are most of an Elector that stands by.
func (e *Elector) metrics() *metrics {
	e.metricsOnce.Do(func() { e.madeMetrics = newMetrics(e) })
	return e.madeMetrics
}

// Collector gives the Elector's metrics, for any registry; it registers nothing
// itself. Electors of different Leases may share a registry, two of one Lease
// may not.
func (e *Elector) Collector() prometheus.Collector { return e.metrics() }

// Describe implements prometheus.Collector.
func (m *metrics) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(m, ch) }

// Collect implements prometheus.Collector.
func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	for _, c := range []prometheus.Collector{m.terms, m.watches, m.renewals, m.drains, m.handOver} {
		c.Collect(ch)
	}
	leading := 0.0
	if t := m.elector.term.Load(); t != nil && t.remaining() > 0 {
		leading = 1
		ch <- prometheus.MustNewConstMetric(m.age, prometheus.GaugeValue, now().leaderSince(t.lastSent()).Seconds())
	}
	ch <- prometheus.MustNewConstMetric(m.leading, prometheus.GaugeValue, leading)
}

func (m *metrics) acquired(base observation) {
	if base.lease != nil && holder(base.lease) == "" {
		m.handOver.Observe((now().mono - base.changed.mono).Seconds())
	}
}

func (m *metrics) renewed(sent moment) { m.renewals.Observe((now().mono - sent.mono).Seconds()) }

func (m *metrics) ended(cause error, took float64) {
	for label, err := range causes {
		if errors.Is(cause, err) {
			m.terms.WithLabelValues(label).Inc()
		}
	}
	m.drains.Observe(took)
}
