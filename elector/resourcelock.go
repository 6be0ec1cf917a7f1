// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/leaderelection/resourcelock"

	"github.com/kube-elector/elector/elector/internal/lease"
)

var _ resourcelock.Interface = (*lock)(nil)

// errCampaignOver keeps client-go from going on after the campaign has been decided. Otherwise it would retry a lost
// race at its own pace, or create a deleted Lease again and lead on.
var errCampaignOver = errors.New("campaign is over")

// lock is the Lease as one run of client-go's LeaderElector sees it. Until a term has begun it shows the Lease as it
// was when it became claimable, without its lapsed holder, so that client-go claims at once. The write succeeds only if
// nothing has changed since. Afterwards it shows the Lease as long as it is ours. client-go calls it from one
// goroutine.
type lock struct {
	identity, namespace, name string

	leases  *lease.Client
	base    lease.Observation // what is claimed
	marks   marks
	begin   func(stored *coordinationv1.Lease, sent lease.Moment) (*term, error)
	decided func(error)                             // told once that the claim has failed
	renewed func(version string, sent lease.Moment) // told of every renewal
	failed  func(error)                             // told of every renewal that failed

	retry     time.Duration // between two renewals
	acquired  metav1.Time   // the record's acquireTime, set by the claim
	term      *term         // set when the claim succeeded in time
	conflicts int           // renewals in a row that met a newer version
	failure   error         // of the last renewal
}

// Get implements client-go's lock. It is the first step of a claim, and what client-go does after a failed renewal.
func (l *lock) Get(ctx context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	var stored *coordinationv1.Lease
	if l.term == nil {
		stored = l.base.Lease
	} else {
		var err error
		if stored, err = l.again(ctx); err != nil {
			return nil, nil, err
		}
	}
	if stored == nil {
		return nil, nil, apierrors.NewNotFound(schema.GroupResource{Group: coordinationv1.GroupName, Resource: "leases"}, l.name)
	}
	record := resourcelock.LeaseSpecToLeaderElectionRecord(&stored.Spec)
	if l.term == nil {
		record.HolderIdentity = ""
	}
	raw, err := json.Marshal(record)
	return record, raw, err
}

// Create claims where there is no Lease. It never replaces a deleted one, since in a term Get reports that the campaign
// is over, and not that there is no Lease.
func (l *lock) Create(ctx context.Context, r resourcelock.LeaderElectionRecord) error {
	return l.claim(ctx, r)
}

// Update claims, and once a term has begun renews.
func (l *lock) Update(ctx context.Context, r resourcelock.LeaderElectionRecord) error {
	if l.term != nil {
		return l.renew(ctx, r)
	}
	return l.claim(ctx, r)
}

// RecordEvent does nothing, since the Elector records its own Events.
func (l *lock) RecordEvent(string) {}

// Identity returns the identity of the candidate.
func (l *lock) Identity() string { return l.identity }

// Describe names the Lease in client-go's log lines.
func (l *lock) Describe() string { return l.namespace + "/" + l.name }
