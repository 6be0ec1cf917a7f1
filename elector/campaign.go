// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"context"
	"fmt"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/klog/v2"

	"github.com/kube-elector/elector/elector/internal/lease"
)

// A campaign is one run of client-go's LeaderElector. It claims the Lease once as it was observed,
// and if that succeeds it renews until stop.
type campaign struct {
	cancel context.CancelFunc
	began  chan *term    // the term, if there is one
	done   chan struct{} // closed when client-go has returned
	err    error         // why there is no term; read it after done
}

// claim makes a campaign of what was observed and waits for its term, which is nil
// if the claim has failed.
func (e *Elector) claim(ctx context.Context, base lease.Observation) (*term, *campaign, error) {
	e.led = e.led && base.Ours // or somebody may lead in between
	sent := lease.Now()
	c, err := e.startCampaign(ctx, base)
	if err != nil {
		return nil, nil, fmt.Errorf("elector: %w", err)
	}
	t, err := e.outcome(ctx, c)
	if t != nil {
		e.ran, e.cause = false, nil
	} else if d := e.doubt.after(base, sent, err, e.config.RenewDeadline); d != e.doubt {
		e.doubt, e.ran = d, false
		if !base.Ours { // or what may be there is of the term before
			e.cause = nil
		}
	}
	return t, c, err
}

// startCampaign claims what was observed. The campaign outlives the end of ctx, so that a claim
// that is under way then is not left in doubt and a term can be renewed while its work ends. The
// caller must stop it.
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
			// Told through the lock instead: client-go calls these from
			// goroutines nobody waits for, and in no order.
			OnStartedLeading: func(context.Context) {},
			OnStoppedLeading: func() {},
		},
	}
}

// outcome waits until the claim is decided, and returns the term, or nil and the reason. That takes
// no longer than one bounded request, nor than Start may when ctx ends.
func (e *Elector) outcome(ctx context.Context, c *campaign) (*term, error) {
	select {
	case t := <-c.began:
		return t, nil
	case <-c.done:
	case <-ctx.Done():
		timer := time.AfterFunc(max(e.stopLeft(), e.config.shortAttempt()/2), c.cancel) // and half to release it
		defer timer.Stop()
		select {
		case t := <-c.began:
			return t, nil
		case <-c.done:
		}
	}
	select {
	case t := <-c.began: // begun and over, both at once
		return t, nil
	default:
		return nil, c.err
	}
}

// halt ends the renewing and does not wait for it.
func (c *campaign) halt() {
	if c != nil {
		c.cancel()
	}
}

// stop ends the renewing and waits for it. It may be called more than once, and
// on nil, when there is no election.
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

// beginTerm returns the term that the acknowledged write of stored, sent at sent, has begun. It
// returns an error if the acknowledgement came too late to be worth anything.
func (e *Elector) beginTerm(ctx context.Context, stored *coordinationv1.Lease, sent lease.Moment) (*term, error) {
	if remaining(lease.Now(), sent, e.config.RenewDeadline) == 0 {
		return nil, fmt.Errorf("acknowledged too late: %w", ErrLeaseExpired)
	}
	info := Term{
		Token:      Token(stored.ResourceVersion),
		Identity:   e.config.Identity,
		AcquiredAt: sent.Wall,
		Resumed:    e.led,
	}
	if n := stored.Spec.LeaseTransitions; n != nil {
		info.Transitions = int(*n)
	}
	t := newTerm(ctx, info, stored.UID, e.config.RenewDeadline, sent)
	e.term.Store(t)
	e.sighted() // something may have been seen since the write
	return t, nil
}
