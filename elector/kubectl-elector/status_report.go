// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"math"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/kube-elector/elector/elector"
	"github.com/kube-elector/elector/elector/shards"
)

// A state says whether a Lease is held.
type state string

const (
	held    state = "held"
	lapsed  state = "lapsed"  // its holder has not renewed it in time
	free    state = "free"    // it names no holder
	absent  state = "absent"  // there is no such Lease
	unknown state = "unknown" // it names a holder, but not for how long
)

// A report is what the plugin says about one Lease. Its JSON is for scripts: fields may be added, but do not change.
// What is not known is left out.
type report struct {
	Namespace            string            `json:"namespace"`
	Name                 string            `json:"name"`
	Kind                 kind              `json:"kind"`
	State                state             `json:"state"`
	Holder               string            `json:"holder"`
	Since                *metav1.MicroTime `json:"since,omitempty"`
	SinceSeconds         *float64          `json:"sinceSeconds,omitempty"`
	Renewed              *metav1.MicroTime `json:"renewed,omitempty"`
	RenewedAgoSeconds    *float64          `json:"renewedAgoSeconds,omitempty"`
	LapsesInSeconds      *float64          `json:"lapsesInSeconds,omitempty"`
	LeaseDurationSeconds *int32            `json:"leaseDurationSeconds,omitempty"`
	Transitions          *int32            `json:"transitions,omitempty"`
	Token                elector.Token     `json:"token,omitempty"`
	Pod                  string            `json:"pod,omitempty"` // by which others notice a crash of the holder
	ObeysStepDown        bool              `json:"obeysStepDown"`
	StepDownAsked        elector.Token     `json:"stepDownAsked,omitempty"`
	Annotations          map[string]string `json:"annotations,omitempty"`
	LastTerm             *elector.LastTerm `json:"lastTerm,omitempty"`
	Fencing              *fencing          `json:"fencing,omitempty"`
	Permissions          *permissions      `json:"permissions,omitempty"`

	since, renewed, lapses span
}

// A span is a time from or until now, unless it is not known.
type span struct {
	known bool
	d     time.Duration
}

func (s span) seconds() *float64 {
	if !s.known {
		return nil
	}
	return ptr.To(math.Round(s.d.Seconds()*1e3) / 1e3)
}

// reportOf returns what the Lease says at the time now.
func reportOf(lease *coordinationv1.Lease, now time.Time) report {
	record := elector.ReadLease(lease)
	r := report{
		Namespace: lease.Namespace, Name: lease.Name, Kind: kindOf(lease, record), Holder: record.Holder,
		Since: lease.Spec.AcquireTime, Renewed: lease.Spec.RenewTime,
		LeaseDurationSeconds: lease.Spec.LeaseDurationSeconds, Transitions: lease.Spec.LeaseTransitions,
		Token: record.Token, ObeysStepDown: record.Elector, StepDownAsked: record.StepDown,
		Annotations: record.Annotations, LastTerm: record.LastTerm,
		since: since(record.Acquired, now), renewed: since(record.Renewed, now),
	}
	if r.Kind == ofShard {
		r.Renewed, r.renewed = nil, span{} // it stands for the beginning of the holder's session
	}
	if record.Pod.Name != "" {
		r.Pod = record.Pod.String()
	}
	r.conclude(record.Duration)
	return r
}

// conclude fills in what follows from the times.
func (r *report) conclude(duration time.Duration) {
	switch {
	case r.Holder == "":
		r.State, r.LeaseDurationSeconds = free, nil // a release writes a second
		if !r.renewed.known {
			r.since = span{}
		}
	case !r.renewed.known || duration <= 0:
		r.State = unknown
	default:
		r.lapses = span{true, duration - r.renewed.d}
		r.State = held
		if r.lapses.d <= 0 {
			r.State = lapsed
		}
	}
	r.SinceSeconds, r.RenewedAgoSeconds, r.LapsesInSeconds = r.since.seconds(), r.renewed.seconds(), r.lapses.seconds()
}

// century bounds what is computed with: a Lease may name the year 9999.
const century = 100 * 365 * 24 * time.Hour

// since returns how long ago t was.
func since(t, now time.Time) span {
	if t.IsZero() {
		return span{}
	}
	return span{true, max(-century, min(now.Sub(t), century))}
}

// reportsOf returns reports of Leases. A shard is held as long as the session of its holder.
func reportsOf(list []coordinationv1.Lease, now time.Time) []report {
	type session struct {
		namespace, set, holder string
		acquired               time.Time
	}
	sessions := map[session]*report{}
	all := make([]report, len(list))
	for i := range list {
		lease := &list[i]
		all[i] = reportOf(lease, now)
		if r := &all[i]; r.Kind == ofSession && lease.Spec.AcquireTime != nil {
			sessions[session{r.Namespace, lease.Labels[shards.SetLabel], r.Holder, lease.Spec.AcquireTime.UTC()}] = r
		}
	}
	for i := range all {
		lease, r := &list[i], &all[i]
		if r.Kind != ofShard || r.Holder == "" || lease.Spec.RenewTime == nil {
			continue
		}
		s := sessions[session{r.Namespace, lease.Labels[shards.SetLabel], r.Holder, lease.Spec.RenewTime.UTC()}]
		if s == nil {
			r.State = lapsed // its holder has no session any more
			continue
		}
		r.Renewed, r.renewed, r.LeaseDurationSeconds = s.Renewed, s.renewed, s.LeaseDurationSeconds
		r.conclude(time.Duration(ptr.Deref(s.LeaseDurationSeconds, 0)) * time.Second)
	}
	return all
}
