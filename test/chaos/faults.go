// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"syscall"
	"time"

	"github.com/kube-elector/elector/test/harness"
)

// ailment is a fault: what happens to one replica, or to all if it is the control plane's or the Lease's.
type ailment struct {
	name string
	// on says whom it befalls.
	on target
	// available reports whether it can be had on the stage; nil: always.
	available func(*stage) bool
	inject    func(context.Context, *stage, *pod) error
	heal      func(context.Context, *stage, *pod) error // nil: it is over at once
}

// target is whom a fault befalls.
type target int

const (
	aReplica target = iota
	everyReplica
	theLease
)

// befall injects the fault, and returns what heals it.
func (s *stage) befall(a ailment, p *pod) (heal func() error, err error) {
	who := ""
	switch a.on {
	case aReplica:
		who = p.name
	case theLease:
		who = byHand
	}
	s.note(occurrence{Kind: fault, Replica: who, Detail: a.name})
	if err := a.inject(s.ctx, s, p); err != nil {
		return nil, fmt.Errorf("injecting %s: %w", a.name, err)
	}
	if a.heal == nil {
		s.note(occurrence{Kind: healed, Replica: who, Detail: a.name})
		return func() error { return nil }, nil
	}
	return func() error {
		if err := a.heal(s.ctx, s, p); err != nil {
			return fmt.Errorf("healing %s: %w", a.name, err)
		}
		s.note(occurrence{Kind: healed, Replica: who, Detail: a.name})
		return nil
	}, nil
}

// suffer has the fault last for d.
func (s *stage) suffer(a ailment, p *pod, d time.Duration) error {
	heal, err := s.befall(a, p)
	if err != nil {
		return err
	}
	if err := harness.Pause(s.ctx, d); err != nil {
		return err
	}
	return heal()
}

// Faults of processes.
var (
	crash = ailment{
		name:   "killed",
		inject: func(_ context.Context, _ *stage, p *pod) error { return p.kill() },
		heal:   func(_ context.Context, _ *stage, p *pod) error { return p.start() },
	}
	freezing = ailment{
		name:   "frozen",
		inject: func(_ context.Context, _ *stage, p *pod) error { return p.freeze() },
		heal:   func(_ context.Context, _ *stage, p *pod) error { return p.thaw() },
	}
	stop = ailment{
		name:   "stopped",
		inject: func(_ context.Context, _ *stage, p *pod) error { return p.signal(syscall.SIGTERM) },
		heal: func(ctx context.Context, s *stage, p *pod) error {
			if err := p.stop(ctx, startGrace); err != nil {
				return err
			}
			return p.start()
		},
	}
)

// weathered is a fault of a replica's network.
func weathered(name string, w harness.Weather) ailment {
	return ailment{
		name: name,
		inject: func(_ context.Context, _ *stage, p *pod) error {
			p.link.Set(w)
			return nil
		},
		heal: clearUp,
	}
}

func clearUp(_ context.Context, _ *stage, p *pod) error {
	p.link.Heal()
	return nil
}

// Faults of the network.
var (
	cutOff      = weathered("network gone", harness.Weather{LoseRequests: true, LoseReplies: true})
	lostReplies = weathered("replies lost", harness.Weather{LoseReplies: true})
	stalledTLS  = ailment{
		name: "connections reset, new ones stall",
		inject: func(_ context.Context, _ *stage, p *pod) error {
			p.link.Set(harness.Weather{StallNew: true})
			p.link.Reset()
			return nil
		},
		// Those that stall go on stalling; new ones work.
		heal: func(_ context.Context, _ *stage, p *pod) error {
			p.link.Set(harness.Weather{})
			return nil
		},
	}
	away = ailment{
		name: "API server away",
		inject: func(_ context.Context, _ *stage, p *pod) error {
			return p.link.Leave()
		},
		heal: func(ctx context.Context, _ *stage, p *pod) error { return p.link.ComeBack(ctx) },
	}
	deadConnections = ailment{
		name: "connections dead",
		inject: func(_ context.Context, _ *stage, p *pod) error {
			p.link.Freeze()
			return nil
		},
		heal: clearUp,
	}
	resets = ailment{
		name: "connections reset",
		inject: func(_ context.Context, _ *stage, p *pod) error {
			p.link.Reset()
			return nil
		},
	}
)

func lateReplies(by time.Duration) ailment {
	return weathered(fmt.Sprintf("replies %v late", by), harness.Weather{Delay: by})
}

// Faults of the control plane.
var (
	serverDown = ofPlane("API server killed", func(p *plane) error { return p.Server.Kill() }, func(p *plane) error { return p.Server.Start() })
	etcdDown   = ofPlane("etcd killed", func(p *plane) error { return p.Etcd.Kill() }, func(p *plane) error { return p.Etcd.Start() })
	etcdFrozen = ofPlane("etcd frozen",
		func(p *plane) error { return p.Etcd.Signal(syscall.SIGSTOP) },
		func(p *plane) error { return p.Etcd.Signal(syscall.SIGCONT) })
)

// ofPlane is a fault of the control plane, which must be the stage's alone. It is over when the API server is ready.
func ofPlane(name string, begin, end func(*plane) error) ailment {
	return ailment{
		name: name, on: everyReplica, available: func(s *stage) bool { return s.plane.exclusive },
		inject: func(_ context.Context, s *stage, _ *pod) error {
			s.plane.faults.Add(1)
			return begin(s.plane)
		},
		heal: func(ctx context.Context, s *stage, _ *pod) error {
			if err := end(s.plane); err != nil {
				return err
			}
			err := s.plane.Ready(ctx)
			s.plane.faults.Add(1)
			return err
		},
	}
}
