// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/rest"

	"github.com/kube-elector/elector/test/harness"
)

// measureFreeze stops leading processes with SIGSTOP until others lead, and continues them with SIGCONT. The work of
// one half looks at IsLeader, and that of the other half only waits for its context to end, since looking may itself
// end the term.
func measureFreeze(ctx context.Context, b *bench) ([]result, error) {
	// The processes freeze together and thaw one after the other, since they have few cores between them.
	turn := make(chan struct{}, 1)
	half := func(ctx context.Context, look bool) ([]map[string]thaw, error) {
		return inLanes(ctx, b.frozen, func(ctx context.Context) ([]map[string]thaw, error) {
			return sideBySide(ctx, peers, func(ctx context.Context, s subject) (thaw, error) {
				return b.freezeOne(ctx, s, look, turn)
			})
		})
	}
	var looked, waited []map[string]thaw
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		looked, err = half(ctx, true)
		return err
	})
	group.Go(func() (err error) {
		waited, err = half(ctx, false)
		return err
	})
	if err := group.Wait(); err != nil {
		return nil, err
	}
	results := []result{
		{
			Name: "wake-leader", Unit: yes, What: "work that wakes believes itself the leader: IsLeader at its first look after SIGCONT",
			Goals: []goal{{Stat: "max", Value: 0}},
		}, {
			Name: "wake-context", Unit: seconds, What: "from SIGCONT to the end of the context, with work that does not look at anything else",
			Goals: []goal{{Stat: "p99", Value: 0.015}},
		}, {
			Name: "wake-context-looked", Unit: seconds, What: "the same with work that looks at IsLeader every 10 ms",
			Goals: []goal{{Stat: "p99", Value: 0.015}},
		}, {
			Name: "wake-acts", Unit: number, What: "acts, one every 10 ms while the context is alive and IsLeader not asked, after SIGCONT, while another leads",
		},
	}
	results[0].Series = seriesOf(peers, looked, func(t thaw) sample { return truth(t.Leader) })
	results[1].Series = seriesOf(peers, waited, thaw.lasted)
	results[2].Series = seriesOf(peers, looked, thaw.lasted)
	results[3].Series = seriesOf(peers, waited, func(t thaw) sample { return sample(t.Acts) })
	return results, nil
}

// thaw is what the work of a frozen leader finds when it wakes.
type thaw struct {
	Leader bool // IsLeader at its first look, if it looks
	Ended  time.Time
	Acts   int // from waking to Ended

	continued time.Time // by the parent's clock, which is the same
}

func (t thaw) lasted() sample { return took(t.continued, t.Ended) }

func (b *bench) freezeOne(ctx context.Context, s subject, look bool, turn chan struct{}) (_ thaw, err error) {
	c := b.newContest(s)
	t := task{
		Role: "frozen", Subject: s.name, server: b.server(), Namespace: b.namespace,
		Leases: []string{c.lease}, Identity: "frozen", Timing: b.timing, Look: look, Window: duration(b.freeze / 2),
	}
	ctx, cancel := context.WithTimeout(ctx, b.freeze+8*time.Duration(b.timing.LeaseDuration))
	defer cancel() // And the child with it.
	p, err := startChild(ctx, t)
	if err != nil {
		return thaw{}, err
	}
	defer func() { err = errors.Join(err, p.Stop()) }()
	defer func() { err = errors.Join(err, c.close()) }()
	var leads bool
	if err := p.Values.Decode(&leads); err != nil {
		return thaw{}, fmt.Errorf("%s: waiting for the child to lead: %w", s.name, err)
	}
	if err := c.standBy(ctx, 1, t.seat(0, nil).identity); err != nil {
		return thaw{}, err
	}
	if err := b.timing.settle(ctx); err != nil {
		return thaw{}, err
	}
	if err := p.Suspend(); err != nil {
		return thaw{}, err
	}
	if err := harness.Pause(ctx, b.freeze); err != nil {
		return thaw{}, errors.Join(err, p.Resume())
	}
	overtaken := len(c.tenures) > 0
	turn <- struct{}{}
	continued := time.Now()
	err = p.Resume()
	_ = harness.Pause(ctx, 100*time.Millisecond)
	<-turn
	if err != nil {
		return thaw{}, err
	}
	if !overtaken {
		return thaw{}, fmt.Errorf("%s: nobody else led after %v", s.name, b.freeze)
	}
	result := thaw{continued: continued}
	return result, p.Values.Decode(&result)
}

// runFrozen runs in the child process. It leads, and reports what its work finds when it wakes.
func runFrozen(ctx context.Context, cfg *rest.Config, s subject, t task, out *json.Encoder) error {
	var c candidate
	ready, told := make(chan struct{}), make(chan error, 1)
	lead := func(term context.Context) {
		<-ready
		err := out.Encode(true)
		if err == nil {
			err = out.Encode(act(term, c, t.Look, time.Duration(t.Window)))
		}
		told <- err
	}
	c, err := t.candidate(cfg, s, t.seat(0, lead))
	if err != nil {
		return err
	}
	close(ready)
	ctx, cancel := context.WithCancel(ctx)
	stopped := make(chan error, 1)
	go func() { stopped <- c.Start(ctx) }()
	select {
	case err = <-told:
	case <-ctx.Done():
	}
	cancel()
	return errors.Join(err, <-stopped)
}

// act acts until its context ends. It has been frozen if its clock has leapt.
func act(term context.Context, c candidate, look bool, leap time.Duration) (found thaw) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for awake, last := false, time.Now(); ; {
		select {
		case <-term.Done():
			found.Ended = time.Now()
		case <-tick.C:
		}
		now, leader := time.Now(), look && c.IsLeader()
		if now.Sub(last) > leap {
			awake, found.Leader = true, leader
		}
		last = now
		if !found.Ended.IsZero() {
			return found
		}
		if awake && term.Err() == nil {
			found.Acts++
		}
	}
}
