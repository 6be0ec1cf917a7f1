// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/leaderelection/resourcelock"

	"github.com/kube-elector/elector/elector/internal/lease"
	"github.com/kube-elector/elector/elector/internal/wait"
)

var _ resourcelock.Interface = (*lock)(nil)

// errCampaignOver keeps client-go from going on after the campaign has been decided. Otherwise it would retry a lost
// race at its own pace, or create a deleted Lease again and lead on.
var errCampaignOver = errors.New("campaign is over")

// errLostRace is why a claim fails on a normal day.
var errLostRace = errors.New("another candidate was faster")

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

func (l *lock) claim(ctx context.Context, r resourcelock.LeaderElectionRecord) error {
	var stored *coordinationv1.Lease
	var sent lease.Moment
	err := errLostRace // what has changed is not what was decided on
	if obs, _ := l.leases.View.Get(); obs.Version() == l.base.Version() {
		stored, sent, err = l.leases.Write(ctx, l.base.Lease, r, l.marks.put)
	}
	if err == nil {
		l.term, err = l.begin(stored, sent)
	}
	if err == nil {
		return nil
	}
	if apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) {
		err = fmt.Errorf("%w: %w", errLostRace, err)
	}
	l.decided(err)
	return err
}

// renew renews the term. If that fails and the deadline is so near that client-go's next try might come too late, it
// tries again itself, unless the API server has given an answer that stands.
func (l *lock) renew(ctx context.Context, r resourcelock.LeaderElectionRecord) error {
	for {
		left, began := l.term.held(), lease.Now()
		l.failure = l.renewWithin(ctx, l.share(left), r)
		switch err := l.failure; {
		case err == nil, errors.Is(err, errCampaignOver), apierrors.IsConflict(err), refused(err), ctx.Err() != nil:
			return err
		}
		pause := left / 3
		if l.term.held() >= 2*l.retry || pause < l.retry/32 { // enough time, or none to speak of
			return l.failure
		}
		wait.Sleep(ctx, pause-lease.Now().StandbySince(began))
	}
}

// share returns how much of the time left until the deadline one request may take. The rest is for another one: an
// eighth of RenewDeadline, while there is twice as much.
func (l *lock) share(left time.Duration) time.Duration {
	return max(left/2, left-l.term.renewDeadline/8)
}

// renewWithin renews the term by one request that takes no longer than d, so that another is possible before the
// deadline.
func (l *lock) renewWithin(ctx context.Context, d time.Duration, r resourcelock.LeaderElectionRecord) error {
	ctx, cancel := context.WithTimeoutCause(ctx, d, lease.LateError(d))
	defer cancel()
	// The newest version seen, which may carry other people's labels, or a renewal of ours whose reply was lost.
	stored, err := l.ours()
	if err != nil {
		return err
	}
	// client-go writes what it read at the claim. An administrator may have edited that since.
	if n := stored.Spec.LeaseTransitions; n != nil {
		r.LeaderTransitions = int(*n)
	}
	m := l.marks
	m.labels, m.token = nil, l.term.Token
	stored, sent, err := l.leases.Write(ctx, stored, r, m.put)
	if err != nil {
		if l.conflicts++; !apierrors.IsConflict(err) || l.conflicts >= usualConflicts {
			l.failed(err)
		}
		return err
	}
	l.conflicts = 0
	l.term.extend(sent)
	l.renewed(stored.ResourceVersion, sent)
	return nil
}

// again returns the Lease for another try at a renewal that met a newer version. After other failures client-go must
// wait for its next try.
func (l *lock) again(ctx context.Context) (*coordinationv1.Lease, error) {
	if l.failure != nil && !apierrors.IsConflict(l.failure) {
		return nil, l.failure
	}
	d := l.share(l.term.held())
	ctx, cancel := context.WithTimeoutCause(ctx, d, lease.LateError(d))
	defer cancel()
	if _, err := l.leases.Read(ctx); err != nil {
		return nil, err
	}
	return l.ours()
}

// ours returns the Lease as last seen, if the term still holds it.
func (l *lock) ours() (*coordinationv1.Lease, error) {
	obs, _ := l.leases.View.Get()
	// The observer may not have ended the term yet. Then another's record would be overwritten, and a Lease that is gone
	// created again.
	l.term.observed(obs)
	if l.term.held() == 0 {
		return nil, errCampaignOver
	}
	return obs.Lease, nil
}

// RecordEvent does nothing, since the Elector records its own Events.
func (l *lock) RecordEvent(string) {}

// Identity returns the identity of the candidate.
func (l *lock) Identity() string { return l.identity }

// Describe names the Lease in client-go's log lines.
func (l *lock) Describe() string { return l.namespace + "/" + l.name }
