// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package stage

import (
	"context"
	"fmt"
	"time"

	"github.com/kube-elector/elector/test/chaos/event"
	"github.com/kube-elector/elector/test/history"
)

// A Fault is what happens to one replica, or to all if it is the control plane's or the Lease's.
type Fault struct {
	Name string
	On   Target
	// Available reports whether the fault is possible on the stage; nil: always.
	Available func(*Stage) bool
	Inject    func(context.Context, *Stage, *Replica) error
	Heal      func(context.Context, *Stage, *Replica) error // nil: it is over at once
}

// A Target is what a fault affects.
type Target int

// The targets.
const (
	OneReplica Target = iota
	EveryReplica
	TheLease
)

// Inject injects a fault, and returns a function that heals it. r may be nil unless the fault affects one replica.
func (s *Stage) Inject(f Fault, r *Replica) (heal func()) {
	who := map[Target]string{TheLease: history.ByHand}[f.On]
	if f.On == OneReplica {
		who = r.Name
	}
	s.Note(event.Event{Kind: event.Fault, Replica: who, Detail: f.Name})
	end := func(what string, err error) {
		if err != nil {
			s.Check(fmt.Errorf("%s %s: %w", what, f.Name, err))
		}
	}
	end("injecting", f.Inject(s.Ctx, s, r))
	over := func() { s.Note(event.Event{Kind: event.Healed, Replica: who, Detail: f.Name}) }
	if f.Heal == nil {
		over()
		return func() {}
	}
	return func() {
		end("healing", f.Heal(s.Ctx, s, r))
		over()
	}
}

// Endure injects a fault, waits for d and heals it.
func (s *Stage) Endure(f Fault, r *Replica, d time.Duration) {
	heal := s.Inject(f, r)
	s.Pause(d)
	heal()
}
