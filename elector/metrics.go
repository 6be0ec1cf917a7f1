// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/kube-elector/elector/elector/internal/lease"
)

// metrics are what Collector gives, but for what is read at the scrape.
type metrics struct {
	elector                               *Elector
	terms                                 *prometheus.CounterVec
	renewals, drains, handOver            prometheus.Histogram
	watches, failedRenewals, failedClaims prometheus.Counter
	leading, age, contact, cannotLead     *prometheus.Desc
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
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help, ConstLabels: labels})
	}
	m := &metrics{
		elector: e,
		terms: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "elector_terms_total", ConstLabels: labels,
			Help: "Terms of this replica that have ended, by cause."}, []string{"cause"}),
		watches: counter("elector_watch_restarts_total",
			"Attempts to open a watch of the Lease after the first."),
		failedRenewals: counter("elector_renew_failures_total",
			"Renewals that failed, other than by an edit of the Lease. The leader tries again until RenewDeadline."),
		failedClaims: counter("elector_claim_failures_total",
			"Claims of the Lease that failed, other than because another candidate was faster."),
		renewals: histogram("elector_renew_duration_seconds",
			"How long acknowledged renewals took.", prometheus.ExponentialBuckets(.001, 2, 14)),
		drains: histogram("elector_drain_duration_seconds",
			"How long the ends of terms took, from the context's cancellation to the release.", prometheus.ExponentialBuckets(.001, 4, 9)),
		handOver: histogram("elector_handover_duration_seconds",
			"From seeing the Lease released by another replica to holding it.", prometheus.ExponentialBuckets(.001, 2, 14)),
		leading: prometheus.NewDesc("elector_leading",
			"Whether this replica leads (1) or stands by (0).", nil, labels),
		age: prometheus.NewDesc("elector_last_renewal_age_seconds",
			"Time since the last acknowledged renewal was sent; absent when not leading.", nil, labels),
		contact: prometheus.NewDesc("elector_last_contact_age_seconds",
			"Time since the API server last answered a request about the Lease or the watch of it said something, at first since Start; absent before Start and without an election.", nil, labels),
		cannotLead: prometheus.NewDesc("elector_cannot_lead",
			"Whether this replica's last try to read or claim the Lease failed, so that it could not lead now (1). A lost race is no failure.", nil, labels),
	}
	for cause := range causes {
		m.terms.WithLabelValues(cause)
	}
	return m
}

// metrics makes the metrics when they are first needed. They are most of an Elector that stands by.
func (e *Elector) metrics() *metrics {
	e.metricsOnce.Do(func() { e.madeMetrics = newMetrics(e) })
	return e.madeMetrics
}

// Collector gives the Elector's metrics, for any registry; it registers nothing itself. Electors of different Leases
// may share a registry, two of one Lease may not.
func (e *Elector) Collector() prometheus.Collector { return e.metrics() }

// kept returns the metrics that keep their values themselves.
func (m *metrics) kept() []prometheus.Collector {
	return []prometheus.Collector{m.terms, m.watches, m.failedRenewals, m.failedClaims, m.renewals, m.drains, m.handOver}
}

// Describe implements prometheus.Collector. It describes all that Collect may ever give: what is known of a registered
// Collector must not change.
func (m *metrics) Describe(ch chan<- *prometheus.Desc) {
	for _, c := range m.kept() {
		c.Describe(ch)
	}
	for _, d := range []*prometheus.Desc{m.leading, m.age, m.contact, m.cannotLead} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	for _, c := range m.kept() {
		c.Collect(ch)
	}
	gauge := func(desc *prometheus.Desc, value float64) {
		ch <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value)
	}
	e, leading := m.elector, 0.0
	if t := e.term.Load(); t != nil && t.remaining() > 0 {
		leading = 1
		gauge(m.age, lease.Now().LeaderSince(t.lastSent()).Seconds())
	}
	gauge(m.leading, leading)
	if e.config.Enabled && e.started.Load() {
		gauge(m.contact, (lease.Now().Mono - time.Duration(e.contact.Load())).Seconds())
	}
	cannot := 0.0
	if leading == 0 && (e.trouble.failing(cannotClaim) || e.trouble.failing(cannotRead)) {
		cannot = 1
	}
	gauge(m.cannotLead, cannot)
}

// acquired takes in a claim. After a release of its own a replica leaves the Lease to others for a while, and where a
// leader's record was wiped out its time must pass. Neither is a hand-over.
func (m *metrics) acquired(base lease.Observation) {
	if base.Lease != nil && base.Holder() == "" && !base.Left && base.Validity == 0 {
		m.handOver.Observe((lease.Now().Mono - base.Changed.Mono).Seconds())
	}
}

func (m *metrics) renewal(sent lease.Moment) {
	m.renewals.Observe((lease.Now().Mono - sent.Mono).Seconds())
}

func (m *metrics) ended(cause error, took float64) {
	for label, err := range causes {
		if errors.Is(cause, err) {
			m.terms.WithLabelValues(label).Inc()
		}
	}
	m.drains.Observe(took)
}
