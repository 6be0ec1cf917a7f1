// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package stage

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"

	"github.com/kube-elector/elector/test/chaos/event"
	"github.com/kube-elector/elector/test/chaos/replica"
	"github.com/kube-elector/elector/test/harness"
	"github.com/kube-elector/elector/test/history"
)

// witness notes every change of the Lease until ctx ends. After an outage of the API server it goes on from where it
// was.
func witness(ctx context.Context, admin kubernetes.Interface, namespace string, note func(event.Event)) {
	version := ""
	for ctx.Err() == nil {
		stream, err := admin.CoordinationV1().Leases(namespace).Watch(ctx, metav1.ListOptions{
			FieldSelector: "metadata.name=" + replica.LeaseName, ResourceVersion: version,
		})
		if err != nil {
			_ = harness.Pause(ctx, 100*time.Millisecond)
			continue
		}
		for e := range stream.ResultChan() {
			l, ok := e.Object.(*coordinationv1.Lease)
			if !ok {
				version = ""
				break
			}
			version = l.ResourceVersion
			note(event.Event{At: time.Now(), Kind: event.Lease, Record: recordOf(l, e.Type == watch.Deleted)})
		}
		stream.Stop()
	}
}

// Marker is the label and the annotation that an administrator adds.
const Marker = "chaos.example.com/edited"

func recordOf(l *coordinationv1.Lease, gone bool) *event.Record {
	if gone {
		return &event.Record{}
	}
	r := &event.Record{Record: history.RecordOf(l), Author: author(l)}
	if t := l.Spec.RenewTime; t != nil {
		r.Renewed = t.Time
	}
	if t := l.Spec.AcquireTime; t != nil {
		r.Acquired = t.Time
	}
	r.Marked = l.Labels[Marker] != "" && l.Annotations[Marker] != ""
	return r
}

// author returns the process that wrote the election's record, or "" if none did. It is the one that the API server
// records as the owner of renewTime, which every writer changes.
func author(l *coordinationv1.Lease) string {
	for _, m := range l.ManagedFields {
		var owned struct {
			Spec map[string]json.RawMessage `json:"f:spec"`
		}
		if m.FieldsV1 == nil || json.Unmarshal([]byte(m.FieldsV1.String()), &owned) != nil {
			continue
		}
		if _, ok := owned.Spec["f:renewTime"]; ok && strings.Contains(m.Manager, "#") {
			return m.Manager
		}
	}
	return ""
}
