// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"context"
	"errors"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/leaderelection/resourcelock"

	"github.com/kube-elector/elector/elector/internal/lease"
	"github.com/kube-elector/elector/elector/internal/wait"
)

// renew renews the term. If that fails and the deadline is so near that client-go's next try might come too late, it
// tries again itself, unless the API server has given an answer that stands.
func (l *lock) renew(ctx context.Context, r resourcelock.LeaderElectionRecord) error {
	for {
		left, began := l.term.held(), lease.Now()
		l.failure = l.renewWithin(ctx, l.share(left), r)
		switch err := l.failure; {
		case err == nil, errors.Is(err, errCampaignOver), apierrors.IsConflict(err), lease.Refused(err), ctx.Err() != nil:
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
	r.AcquireTime = l.acquired
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
