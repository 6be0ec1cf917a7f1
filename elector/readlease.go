// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"encoding/json"
	"strings"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/kube-elector/elector/elector/internal/crash"
	"github.com/kube-elector/elector/elector/internal/lease"
)

// A Record is what a Lease says, by the clocks of those who wrote it. It may be of any holder: an Elector, client-go or
// a Kubernetes component.
type Record struct {
	// Holder is the holder's Identity, "" if nobody holds the Lease.
	Holder string
	// Acquired and Renewed are when the holder claimed and last renewed the Lease. On a Lease without a holder Renewed is
	// when it was released. They are zero if the Lease does not say.
	Acquired, Renewed time.Time
	// Duration is how long the others must leave the Lease alone after a renewal, 0 if the Lease does not say.
	Duration time.Duration
	// Transitions is the Lease's leaseTransitions.
	Transitions int

	// Elector reports whether an Elector wrote the record. Such a leader obeys [StepDownAnnotation]. The fields below are
	// zero otherwise, except for LastTerm.
	Elector bool
	// Token is the token of the holder's term. It is "" while it is not known, as when another tool has removed the
	// annotation; the next renewal then says it again. An edit of the Lease in the milliseconds between a claim and its
	// first renewal makes it too high until that renewal.
	Token Token
	// Annotations are the holder's [Config.Annotations].
	Annotations map[string]string
	// Pod is the holder's Pod if the others notice a crash of the holder by it, with [Config.CrashDetection].
	Pod types.NamespacedName
	// StepDown is the token of the term that somebody has asked to end, "" if nobody has.
	StepDown Token
	// LastTerm says how the term before this record ended, nil if the Lease does not say. On a Lease without a holder that
	// is the last term.
	LastTerm *LastTerm
}

// ReadLease returns what a Lease says, whatever is in it. It trusts an annotation only if it was written with the
// present record.
func ReadLease(l *coordinationv1.Lease) Record {
	if l == nil {
		return Record{}
	}
	spec, annotations := &l.Spec, l.Annotations
	r := Record{
		Holder:      lease.Holder(l),
		Duration:    time.Duration(max(0, ptr.Deref(spec.LeaseDurationSeconds, 0))) * time.Second,
		Transitions: int(ptr.Deref(spec.LeaseTransitions, 0)),
		Elector:     lease.Signed(l, WriterAnnotation),
	}
	if spec.AcquireTime != nil {
		r.Acquired = spec.AcquireTime.Time
	}
	if spec.RenewTime != nil {
		r.Renewed = spec.RenewTime.Time
	}
	if last := readLastTerm(annotations[LastTermAnnotation]); r.Elector || r.Holder == "" && last != nil && last.Ended.Equal(r.Renewed) {
		r.LastTerm = last
	}
	if !r.Elector {
		return r
	}
	r.Token = recordedToken(l)
	if instance, ok := crash.Parse(lease.ProcessOf(l, ContainerAnnotation, WriterAnnotation)); ok {
		r.Pod = instance.Name()
	}
	r.StepDown = Token(annotations[StepDownAnnotation])
	for _, key := range leaderKeys(annotations) {
		if value, ok := annotations[key]; ok {
			if r.Annotations == nil {
				r.Annotations = map[string]string{}
			}
			r.Annotations[key] = value
		}
	}
	return r
}

// leaderKeys returns the keys of the annotations that a leader has set by its Config.
func leaderKeys(annotations map[string]string) []string {
	list := annotations[LeaderAnnotationsAnnotation]
	if list == "" {
		return nil
	}
	return strings.Split(list, ",")
}

// readLastTerm returns what a LastTermAnnotation says, nil if it is none.
func readLastTerm(text string) *LastTerm {
	var last LastTerm
	if text == "" || json.Unmarshal([]byte(text), &last) != nil {
		return nil
	}
	return &last
}
