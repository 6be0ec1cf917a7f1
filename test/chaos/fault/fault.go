// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

// Package fault is the catalogue of the faults that chaos injects.
package fault

import (
	"context"
	"fmt"
	"syscall"
	"time"

	"github.com/kube-elector/elector/test/chaos/replica"
	"github.com/kube-elector/elector/test/chaos/stage"
	"github.com/kube-elector/elector/test/harness"
)

// act is what most faults do. It needs neither a context nor more of the stage than the replica.
type act func(*stage.Replica) error

// onReplica returns a fault of one replica. heal may be nil.
func onReplica(name string, inject, heal act) stage.Fault {
	f := stage.Fault{Name: name, Inject: func(_ context.Context, _ *stage.Stage, r *stage.Replica) error { return inject(r) }}
	if heal != nil {
		f.Heal = func(_ context.Context, _ *stage.Stage, r *stage.Replica) error { return heal(r) }
	}
	return f
}

// Faults of processes.
var (
	Crash  = onReplica("killed", (*stage.Replica).Kill, (*stage.Replica).Start)
	Freeze = onReplica("frozen", (*stage.Replica).Freeze, (*stage.Replica).Thaw)
	Stop   = stage.Fault{
		Name:   "stopped",
		Inject: func(_ context.Context, _ *stage.Stage, r *stage.Replica) error { return r.Signal(syscall.SIGTERM) },
		Heal: func(ctx context.Context, _ *stage.Stage, r *stage.Replica) error {
			if err := r.Stop(ctx); err != nil {
				return err
			}
			return r.Start()
		},
	}
	// StepDown makes a process give the leadership up, if its peer can do that.
	StepDown = onReplica("steps down", func(r *stage.Replica) error { return r.Signal(replica.StepDownSignal) }, nil)
	// Hang makes a process's requests about the Lease hang for good.
	Hang = onReplica("requests hang, whatever becomes of their contexts",
		func(r *stage.Replica) error { return r.Signal(replica.HangSignal) },
		func(r *stage.Replica) error {
			if err := r.Kill(); err != nil {
				return err
			}
			return r.Start()
		})
)

// onLink returns an act that does something to the replica's network.
func onLink(do ...func(*harness.Link)) act {
	return func(r *stage.Replica) error {
		for _, f := range do {
			f(r.Link)
		}
		return nil
	}
}

func weather(w harness.Weather) func(*harness.Link) {
	return func(l *harness.Link) { l.Set(w) }
}

// Faults of the network.
var (
	heal        = onLink((*harness.Link).Heal)
	CutOff      = onReplica("network gone", onLink(weather(harness.Weather{LoseRequests: true, LoseReplies: true})), heal)
	LostReplies = onReplica("replies lost", onLink(weather(harness.Weather{LoseReplies: true})), heal)
	// StalledTLS is healed for new connections. Those that stall go on stalling.
	StalledTLS = onReplica("connections reset, new ones stall",
		onLink(weather(harness.Weather{StallNew: true}), (*harness.Link).Reset), onLink(weather(harness.Weather{})))
	DeadConnections = onReplica("connections dead", onLink((*harness.Link).Freeze), heal)
	Reset           = onReplica("connections reset", onLink((*harness.Link).Reset), nil)
	Away            = stage.Fault{
		Name:   "API server away",
		Inject: func(_ context.Context, _ *stage.Stage, r *stage.Replica) error { return r.Link.Leave() },
		Heal:   func(ctx context.Context, _ *stage.Stage, r *stage.Replica) error { return r.Link.ComeBack(ctx) },
	}
)

// LateReplies delays replies.
func LateReplies(by time.Duration) stage.Fault {
	return onReplica(fmt.Sprintf("replies %v late", by), onLink(weather(harness.Weather{Delay: by})), heal)
}

// Answering gives the next request of a replica an answer of the gateway's.
func Answering(name string, answers ...stage.Answer) stage.Fault {
	f := onReplica(name, func(r *stage.Replica) error {
		r.Gateway.Next(answers...)
		return nil
	}, nil)
	f.Available = func(s *stage.Stage) bool { return s.Replicas[0].Gateway != nil }
	return f
}

// Faults of the control plane.
var (
	ServerDown = ofPlane("API server killed",
		func(p *stage.Plane) error { return p.Server.Kill() }, func(p *stage.Plane) error { return p.Server.Start() })
	EtcdDown = ofPlane("etcd killed",
		func(p *stage.Plane) error { return p.Etcd.Kill() }, func(p *stage.Plane) error { return p.Etcd.Start() })
	EtcdFrozen = ofPlane("etcd frozen",
		func(p *stage.Plane) error { return p.Etcd.Signal(syscall.SIGSTOP) },
		func(p *stage.Plane) error { return p.Etcd.Signal(syscall.SIGCONT) })
)

// ofPlane returns a fault of the control plane, which must be the stage's alone. It ends when the API server is ready.
func ofPlane(name string, begin, end func(*stage.Plane) error) stage.Fault {
	return stage.Fault{
		Name: name, On: stage.EveryReplica, Available: func(s *stage.Stage) bool { return s.Plane.Exclusive },
		Inject: func(_ context.Context, s *stage.Stage, _ *stage.Replica) error {
			s.Plane.Faults.Add(1)
			return begin(s.Plane)
		},
		Heal: func(ctx context.Context, s *stage.Stage, _ *stage.Replica) error {
			if err := end(s.Plane); err != nil {
				return err
			}
			defer s.Plane.Faults.Add(1)
			return s.Plane.Ready(ctx)
		},
	}
}
