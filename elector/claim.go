// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/leaderelection/resourcelock"

	"github.com/kube-elector/elector/elector/internal/lease"
)

// errLostRace is why a claim fails on a normal day.
var errLostRace = errors.New("another candidate was faster")

// claim makes a campaign of what was observed and waits for its term, which is nil if the claim has failed.
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

// outcome waits until the claim is decided, and returns the term, or nil and the reason. That takes no longer than one
// bounded request, nor than Start may when ctx ends.
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

// claimSpread bounds how long after the sending of a claim its acquireTime is. It is drawn, so that those of claims
// that are sent at one instant differ: if admission removes annotations, only the times in a record tell which process
// with this Identity has written it.
const claimSpread = time.Millisecond

func (l *lock) claim(ctx context.Context, r resourcelock.LeaderElectionRecord) error {
	l.acquired = metav1.NewTime(r.AcquireTime.Add(rand.N(claimSpread))) //nolint:gosec // not a secret
	r.AcquireTime = l.acquired
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

// A doubt is a claim that failed although the API server may have carried it out, or may still do so.
type doubt struct {
	base string // the version that it replaces, "" for none
	// open is until when, by the monotonic clock, this claim or one of base before it, which got no answer, may still be
	// carried out. After that, and if the API server has answered, a read shows what it did.
	open time.Duration
}

// after returns the doubt that follows d when a claim of base, sent at sent, has failed with err. It is d if the claim
// was refused.
func (d *doubt) after(base lease.Observation, sent lease.Moment, err error, renewDeadline time.Duration) *doubt {
	next := &doubt{base: base.Version(), open: sent.Mono}
	if d != nil && d.base == next.base {
		next.open = max(next.open, d.open)
	}
	switch did, may := lease.Fate(err); {
	case may:
		next.open = sent.Mono + renewDeadline
	case !did:
		return d
	}
	return next
}

// lastsFor returns how long, as of m, the doubt still matters: until the record that it may have left has lapsed,
// unless the Lease is seen to have changed. The others count from when it was carried out, open at the latest.
func (d *doubt) lastsFor(obs lease.Observation, m lease.Moment, leaseDuration time.Duration) time.Duration {
	if d == nil || obs.Version() != d.base {
		return 0
	}
	return max(0, leaseDuration-(m.Mono-d.open))
}

func (d *doubt) answered(m lease.Moment) bool { return d != nil && m.Mono >= d.open }

// beginTerm returns the term that the acknowledged write of stored, sent at sent, has begun. It returns an error if the
// acknowledgement came too late to be worth anything.
func (e *Elector) beginTerm(ctx context.Context, stored *coordinationv1.Lease, sent lease.Moment) (*term, error) {
	if remaining(lease.Now(), sent, e.config.RenewDeadline) == 0 {
		return nil, fmt.Errorf("acknowledged too late: %w", ErrLeaseExpired)
	}
	info := Term{
		Token:      tokenOf(stored),
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

// usualConflicts is how many writes in a row may meet a newer version of the Lease before that is trouble. One is a
// lost race, or an edit of the labels.
const usualConflicts = 3

// errVainConflict is why a claim fails again and again though no replica leads. Something refuses every write as a
// conflict, or edits the Lease all the time.
var errVainConflict = errors.New("conflict again and again, and nobody else is seen to lead")

// contest tells lost races from conflicts that nobody wins. Only Start's goroutine uses it.
type contest struct {
	claimed time.Duration // when the last claim was made
	since   time.Duration // when the first of the claims that were lost in vain was
	lost    int           // how many those are
}

// claiming must be called before every claim.
func (c *contest) claiming() { c.claimed = lease.Now().Mono }

// judge returns the error of a failed claim, without errLostRace if the race had no winner for some time. rival is when
// another's record was last seen.
func (c *contest) judge(err error, rival time.Duration) error {
	if !errors.Is(err, errLostRace) || rival > c.claimed {
		c.lost = 0
		return err
	}
	if rival > c.since {
		c.lost = 0
	}
	if c.lost == 0 {
		c.since = c.claimed
	}
	if c.lost++; c.lost < usualConflicts {
		return err
	}
	return fmt.Errorf("%w: %v", errVainConflict, err) //nolint:errorlint // it is no lost race
}
