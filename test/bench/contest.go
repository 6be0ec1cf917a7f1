// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/kube-elector/elector/elector"
	"github.com/kube-elector/elector/test/harness"
)

// contest is one Lease with replicas of one subject that contend for it. Only one goroutine may use it.
type contest struct {
	bench    *bench
	subject  subject
	lease    string
	proxied  bool // its links can be severed
	tenures  chan *tenure
	replicas []*replica
}

// replica is a candidate that can be run again and again, and its own way to the API server.
type replica struct {
	contest *contest
	link    *link
	way     way
	name    string
	runs    int

	// These belong to the run under way.
	candidate candidate
	cancel    context.CancelFunc
	done      chan struct{} // closed when Start has returned
	err       error         // what it returned, to be read after done
}

// tenure is a term of leadership, as the leader's work sees it. The work returns as soon as its context ends.
type tenure struct {
	replica  *replica
	identity string
	began    time.Time     // when OnStartedLeading was called
	ended    chan struct{} // closed when the work returns
	over     time.Time     // when that was, to be read after ended
}

func (b *bench) newContest(s subject) *contest {
	return &contest{bench: b, subject: s, lease: b.name("lease"), tenures: make(chan *tenure, 64)}
}

// settled returns a contest with a leader and a standby that knows it, whose clocks have drifted apart. If it is
// proxied, links can be severed.
func (b *bench) settled(ctx context.Context, s subject, proxied bool) (c *contest, leader *tenure, err error) {
	c = b.newContest(s)
	c.proxied = proxied
	if leader, err = c.elect(ctx); err == nil {
		err = c.standBy(ctx, 1, leader.identity)
	}
	if err == nil {
		err = b.timing.settle(ctx)
	}
	if err != nil {
		return nil, nil, errors.Join(err, c.close())
	}
	return c, leader, nil
}

// join adds a replica and runs it.
func (c *contest) join(ctx context.Context) error {
	r := &replica{contest: c, link: newLink(), name: fmt.Sprintf("replica-%d", len(c.replicas))}
	c.replicas = append(c.replicas, r)
	var err error
	if c.proxied {
		if r.link.proxy, err = harness.NewLink(c.bench.plane.Address); err != nil {
			return err
		}
	}
	if r.way, err = c.subject.way(r.link.config(c.bench.plane.Config), c.bench.timing); err != nil {
		return err
	}
	return r.start(ctx)
}

// elect adds a replica and waits until it leads.
func (c *contest) elect(ctx context.Context) (*tenure, error) {
	if err := c.join(ctx); err != nil {
		return nil, err
	}
	return c.next(ctx)
}

// standBy adds replicas and waits until each of them knows who leads.
func (c *contest) standBy(ctx context.Context, n int, leader string) error {
	for range n {
		if err := c.join(ctx); err != nil {
			return err
		}
	}
	for _, r := range c.replicas {
		if err := r.knows(ctx, leader); err != nil {
			return err
		}
	}
	return nil
}

// next waits for the next term to begin.
func (c *contest) next(ctx context.Context) (*tenure, error) {
	ctx, cancel := c.bench.timing.patience(ctx)
	defer cancel()
	select {
	case t := <-c.tenures:
		return t, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("%s: waiting for a leader: %w", c.subject.name, context.Cause(ctx))
	}
}

// undisturbed fails if the leader's term has ended, or another has begun, before the measurement wanted it.
func (c *contest) undisturbed(t *tenure) error {
	select {
	case <-t.ended:
	default:
		if len(c.tenures) == 0 {
			return nil
		}
	}
	return fmt.Errorf("%s: the leader changed by itself: this machine is too busy to measure anything", c.subject.name)
}

// close ends all replicas at once.
func (c *contest) close() error {
	for _, r := range c.replicas {
		if r.link.severed {
			r.link.close() // Or it would try to release for a while.
		}
		if r.cancel != nil {
			r.cancel()
		}
	}
	var errs []error
	for _, r := range c.replicas {
		if err := r.stop(); !r.link.severed || !errors.Is(err, elector.ErrNotReleased) {
			errs = append(errs, err)
		}
		r.link.close()
	}
	return errors.Join(errs...)
}

// start runs the candidate under a new identity, like the new process of a replica that comes back.
func (r *replica) start(ctx context.Context) error {
	r.runs++
	identity := fmt.Sprintf("%s-run-%d", r.name, r.runs)
	c, err := r.contest.subject.candidate(r.way, seat{
		namespace: r.contest.bench.namespace, lease: r.contest.lease, identity: identity,
		lead: func(term context.Context) {
			t := &tenure{replica: r, identity: identity, began: time.Now(), ended: make(chan struct{})}
			if own, ok := elector.TermFromContext(term); ok {
				t.identity = own.Identity // a manager's Elector makes up its own
			}
			r.contest.tenures <- t
			<-term.Done()
			t.over = time.Now()
			close(t.ended)
		},
	}, r.contest.bench.timing)
	if err != nil {
		return err
	}
	r.candidate, r.done = c, make(chan struct{})
	ctx, r.cancel = context.WithCancel(ctx)
	go func() {
		defer close(r.done)
		r.err = c.Start(ctx)
	}()
	return nil
}

// stop ends the run, if there is one, and waits until it has.
func (r *replica) stop() error {
	if r.cancel == nil {
		return nil
	}
	r.cancel()
	<-r.done
	return r.err
}

// knows waits until the replica has seen who leads.
func (r *replica) knows(ctx context.Context, leader string) error {
	ctx, cancel := r.contest.bench.timing.patience(ctx)
	defer cancel()
	if err := eventually(ctx, func() bool { return r.candidate.GetLeader() == leader }); err != nil {
		return fmt.Errorf("%s: waiting until a standby knows the leader: %w", r.contest.subject.name, err)
	}
	return nil
}
