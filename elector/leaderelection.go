// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"context"
	"fmt"

	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/klog/v2"

	"github.com/kube-elector/elector/elector/internal/lease"
)

// A campaign is one run of client-go's LeaderElector. It claims the Lease once as it was observed, and if that succeeds
// it renews until stop.
type campaign struct {
	cancel context.CancelFunc
	began  chan *term    // the term, if there is one
	done   chan struct{} // closed when client-go has returned
	err    error         // why there is no term; read it after done
}

// startCampaign claims what was observed. The campaign outlives the end of ctx, so that a claim that is under way then
// is not left in doubt and a term can be renewed while its work ends. The caller must stop it.
func (e *Elector) startCampaign(ctx context.Context, base lease.Observation) (*campaign, error) {
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	c := &campaign{cancel: cancel, began: make(chan *term, 1), done: make(chan struct{})}
	l := &lock{
		identity: e.config.Identity, namespace: e.config.LeaseNamespace, name: e.config.LeaseName,
		leases: e.leases, base: base, retry: e.config.RetryPeriod,
		marks: marks{labels: e.config.Labels, annotations: e.config.Annotations, container: e.crash.signature(ctx), last: e.lastTerm(base)},
	}
	led := false // client-go's goroutine uses it
	l.begin = func(stored *coordinationv1.Lease, sent lease.Moment) (*term, error) {
		t, err := e.beginTerm(ctx, stored, sent)
		if err == nil {
			statuses.begun(e.config.LeaseName)
			led = true
			c.began <- t
		}
		return t, err
	}
	l.renewed = func(version string, sent lease.Moment) {
		e.worked(ctx, cannotRenew)
		e.worked(ctx, cannotClaim) // in case that its end could not be logged yet
		e.metrics().renewal(sent)
		e.watcher.Expect(version)
	}
	l.failed = func(err error) {
		if run.Err() == nil { // or it was given up, as the term has ended
			e.troubled(ctx, cannotRenew, err)
		}
	}
	l.decided = func(err error) {
		c.err = err
		cancel()
	}
	config := e.clientGoConfig(l)
	le, err := statuses.newLeaderElector(config)
	if err != nil {
		cancel()
		return nil, fmt.Errorf("client-go refuses the config: %w", err)
	}
	e.contest.claiming()
	go func() {
		defer close(c.done)
		le.Run(klog.NewContext(run, e.clientLogger))
		if led {
			statuses.ended(config)
		}
	}()
	return c, nil
}

// showStatus shows client-go's metric of a candidate that does not lead.
func (e *Elector) showStatus() error {
	if _, err := statuses.newLeaderElector(e.clientGoConfig(&lock{identity: e.config.Identity})); err != nil {
		return fmt.Errorf("elector: client-go refuses the config: %w", err)
	}
	return nil
}

func (e *Elector) clientGoConfig(l *lock) leaderelection.LeaderElectionConfig {
	return leaderelection.LeaderElectionConfig{
		Lock:          l,
		LeaseDuration: e.config.LeaseDuration,
		RenewDeadline: e.config.RenewDeadline,
		RetryPeriod:   e.config.RetryPeriod,
		Name:          e.config.LeaseName, // the label of leader_election_master_status
		Callbacks: leaderelection.LeaderCallbacks{
			// Told through the lock instead: client-go calls these from goroutines nobody waits for, and in no order.
			OnStartedLeading: func(context.Context) {},
			OnStoppedLeading: func() {},
		},
	}
}

// halt ends the renewing and does not wait for it.
func (c *campaign) halt() {
	if c != nil {
		c.cancel()
	}
}

// stop ends the renewing and waits for it. It may be called more than once, and on nil, when there is no election.
func (c *campaign) stop() {
	if c != nil {
		c.cancel()
		<-c.done
	}
}

// ended returns a channel that is closed when client-go has given up.
func (c *campaign) ended() <-chan struct{} {
	if c == nil {
		return nil
	}
	return c.done
}
