// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

// Package stage has what a scenario of chaos is played on, a namespace with a Lease and replicas behind links that can
// be cut, and everything that watches them. A failure on a [Stage] ends the scenario, as t.Fatal ends a test.
package stage

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kube-elector/elector/test/chaos/event"
	"github.com/kube-elector/elector/test/chaos/replica"
	"github.com/kube-elector/elector/test/harness"
)

// StartGrace is how long processes may take to start or to end on a busy machine.
const StartGrace = 40 * time.Second

// A Plane is a control plane on which scenarios are played.
type Plane struct {
	*harness.ControlPlane
	Faults    atomic.Int64 // how many have begun or ended; odd while one lasts
	Wanted    atomic.Bool  // its logs are evidence
	Exclusive bool         // one scenario is played on it at a time, which may stop it
}

// A Setup is what a scenario needs.
type Setup struct {
	Replicas int            // default 3
	Timing   harness.Timing // default [harness.Quick]
	Gateway  bool           // between each link and the API server
	Late     bool           // the scenario starts the replicas itself
	Identity string         // of all
	Behaves  func(number int) replica.Behaviour
	Lasts    func(number int) time.Duration // LeaseDurations; default that of Timing
}

// A Stage is where one scenario is played.
type Stage struct {
	*journal
	Ctx       context.Context //nolint:containedctx // It lasts as long as the Stage.
	Plane     *Plane
	Peer      string
	Timing    harness.Timing
	Namespace string
	Replicas  []*Replica
	Stalls    *Stalls
	Began     time.Time

	cancel   context.CancelFunc
	dir      string // of evidence
	register *replica.Register
	group    sync.WaitGroup

	mu       sync.Mutex // guards all below
	failures []string
	figures  []Figure
}

// Open opens a stage. On error nothing is left running. The stage ends with parent or by [Stage.Close].
func Open(parent context.Context, p *Plane, stalls *Stalls, peer, dir string, o Setup) (s *Stage, err error) {
	s = &Stage{journal: newJournal(), dir: dir, Peer: peer, Plane: p, Stalls: stalls, Began: time.Now(), Timing: cmp.Or(o.Timing, harness.Quick)}
	s.Ctx, s.cancel = context.WithCancel(parent)
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // Anyone may read it.
		return s, err
	}
	if s.register, err = replica.NewRegister(s.Note); err != nil {
		return s, err
	}
	if err := s.furnish(); err != nil {
		return s, fmt.Errorf("preparing a namespace: %w", err)
	}
	s.group.Go(func() { witness(s.Ctx, p.Admin, s.Namespace, s.Note) })
	for i := range cmp.Or(o.Replicas, 3) {
		if err := s.addReplica(i, o); err != nil {
			return s, err
		}
	}
	return s, nil
}

func (s *Stage) addReplica(i int, o Setup) error {
	r := &Replica{stage: s, Name: string(rune('a' + i))}
	s.Replicas = append(s.Replicas, r)
	server := s.Plane.Address
	var err error
	if o.Gateway {
		if r.Gateway, err = newGateway(s.Plane); err != nil {
			return err
		}
		server = r.Gateway.listener.Addr().String()
	}
	if r.Link, err = harness.NewLink(server); err != nil {
		return err
	}
	r.Task = replica.Task{
		Peer: s.Peer, Identity: o.Identity, Host: "https://" + r.Link.Address, CAFile: s.Plane.CAFile(),
		TokenFile: s.Plane.TokenFile(), Namespace: s.Namespace, Register: s.register.Address, Timing: s.Timing,
	}
	if o.Behaves != nil {
		r.Task.Behaviour = o.Behaves(i)
	}
	if o.Lasts != nil {
		r.Task.Timing.LeaseDuration = o.Lasts(i)
	}
	return nil
}

// Close ends everything on the stage.
func (s *Stage) Close() error {
	s.cancel()
	var errs []error
	for _, r := range s.Replicas {
		errs = append(errs, r.close())
	}
	if s.register != nil {
		errs = append(errs, s.register.Close())
	}
	s.group.Wait()
	return errors.Join(errs...)
}

// File returns the path of a file of evidence.
func (s *Stage) File(name string) string { return filepath.Join(s.dir, name) }

// An abort ends a scenario.
type abort struct{ error }

// Check ends the scenario if err is not nil.
func (s *Stage) Check(err error) {
	if err != nil {
		panic(abort{err})
	}
}

// Play plays a scenario, ends all processes, and returns the error that ended the scenario early.
func (s *Stage) Play(play func(*Stage)) (err error) {
	defer func() {
		switch ended := recover().(type) {
		case nil:
		case abort:
			err = ended.error
		default:
			panic(ended)
		}
		for _, r := range s.Replicas {
			err = errors.Join(err, r.Thaw(), r.Kill())
		}
	}()
	play(s)
	return nil
}

// Pause waits for d.
func (s *Stage) Pause(d time.Duration) { s.Check(harness.Pause(s.Ctx, d)) }

// Raise starts the first replica and, when it leads, the others. It waits until all is quiet.
func (s *Stage) Raise() {
	for i, r := range s.Replicas {
		mark := s.Mark()
		s.Check(r.Start())
		if i == 0 {
			s.Expect(mark, "replica a to lead", event.Of(event.Leads))
		}
	}
	for _, r := range s.Replicas[1:] {
		s.Expect(0, "replica "+r.Name+" to stand by", r.Does(event.Ready))
	}
	s.Settle()
}

// Await returns the first event after the mark that is as wanted. It reports false if there is none before the timeout.
func (s *Stage) Await(mark int, timeout time.Duration, wanted func(event.Event) bool) (event.Event, bool) {
	return s.await(s.Ctx, mark, timeout, wanted)
}

// Expect waits for an event without which nothing else can be said. It ends the scenario if there is none.
func (s *Stage) Expect(mark int, what string, wanted func(event.Event) bool) event.Event {
	e, ok := s.Await(mark, StartGrace, wanted)
	if !ok {
		s.Check(errors.Join(fmt.Errorf("waited %v for %s", StartGrace, what), context.Cause(s.Ctx)))
	}
	return e
}

// Settle waits until a replica leads and has renewed twice.
func (s *Stage) Settle() {
	for deadline := time.Now().Add(StartGrace); time.Now().Before(deadline); {
		mark := s.Mark()
		all := s.leaders()
		if len(all) == 0 {
			s.Await(mark, time.Second, event.Of(event.Leads))
			s.Check(context.Cause(s.Ctx))
			continue
		}
		author := all[len(all)-1].String()
		if s.renewals(func(e event.Event) bool { return e.Kind == event.Lease && e.Record.Author == author }, 2) {
			return
		}
	}
	s.Check(fmt.Errorf("waited %v for a leader that renews", StartGrace))
}

func (s *Stage) renewals(own func(event.Event) bool, n int) bool {
	for range n {
		if _, ok := s.Await(s.Mark(), 2*s.Timing.RetryPeriod+time.Second, own); !ok {
			return false
		}
	}
	return true
}
