// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"context"
	"errors"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// release gives the Lease up, within the time it is still held. It writes only
// over a record of this process, as it was last seen: another holder's is never
// touched, whatever happened since.
func (e *Elector) release(parent context.Context, held time.Duration) error {
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(parent), held, ErrLeaseExpired)
	defer cancel()
	var failure error
	// Also after a conflict there is a pause: what refuses this write may refuse
	// all, and nothing else would slow the tries.
	for pause := time.Duration(0); ; pause = min(max(2*pause, firstPause), e.config.RetryPeriod) {
		sleep(ctx, pause)
		obs, _ := e.view.get()
		if !obs.ours {
			return nil // released by a write whose reply was lost, or no longer ours
		}
		if ctx.Err() != nil {
			return errors.Join(failure, context.Cause(ctx))
		}
		t := metav1.Time{Time: now().wall}
		record := resourcelock.LeaseSpecToLeaderElectionRecord(&obs.lease.Spec)
		// One second, as client-go writes it: the API server wants a duration.
		_, _, err := e.leases.write(ctx, obs.lease, resourcelock.LeaderElectionRecord{
			LeaseDurationSeconds: 1, AcquireTime: t, RenewTime: t, LeaderTransitions: record.LeaderTransitions,
		}, nil)
		if err == nil {
			return nil
		}
		failure = fmt.Errorf("release the Lease: %w", err)
		if _, err := e.leases.read(ctx); err != nil {
			failure = errors.Join(failure, err)
		}
	}
}
