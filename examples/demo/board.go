// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/kube-elector/elector/examples/operator/report"
)

// What a replica is seen to be doing.
const (
	isDown     = "down"
	isStarting = "starting"
	isStandby  = "standby"
	isLeader   = "leader"
	isCold     = "frozen"
)

// status is what is known of a replica.
type status struct {
	Name string
	Role string
	report.Report
}

// A board collects everything that happens, from the replicas' reports and from the demo. The play waits for what it
// says, and the view shows it. Its methods may be called concurrently.
type board struct {
	began time.Time

	mu       sync.Mutex // guards what is below
	changed  chan struct{}
	statuses []status
	history  []event
	gaps     int      // changes that have been told
	sharing  *sharing // nil if one replica leads
	lines    []string
	failure  error
	final    []event   // the history when the play was over
	curtain  time.Time // when that was
}

func newBoard(replicas []string) *board {
	b := &board{began: time.Now(), changed: make(chan struct{})}
	for _, name := range replicas {
		b.statuses = append(b.statuses, status{Name: name, Role: isDown})
	}
	return b
}

// touchLocked wakes those who wait.
func (b *board) touchLocked() {
	close(b.changed)
	b.changed = make(chan struct{})
}

func (b *board) statusLocked(name string) *status {
	for i := range b.statuses {
		if b.statuses[i].Name == name {
			return &b.statuses[i]
		}
	}
	return nil
}

// has says whether there is a replica of that name.
func (b *board) has(name string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.statusLocked(name) != nil
}

// say adds a line for the reader.
func (b *board) say(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sayLocked(time.Now(), format, args...)
	b.touchLocked()
}

func (b *board) sayLocked(at time.Time, format string, args ...any) {
	b.lines = append(b.lines, fmt.Sprintf("%7.3f s  ", at.Sub(b.began).Seconds())+fmt.Sprintf(format, args...))
}

// fail ends the play.
func (b *board) fail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failure == nil {
		b.failure = err
	}
	b.touchLocked()
}

// note writes an event up, and tells the reader about it.
func (b *board) note(e event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	defer b.touchLocked()
	b.history = append(b.history, e)
	s := b.statusLocked(e.Replica)
	switch e.Kind {
	case up:
		*s = status{Name: e.Replica, Role: isStarting}
	case killed, lostNode, exited:
		s.Role = isDown
	case frozen:
		s.Role = isCold
	case woken, stopped:
		s.Role = isStandby
	case leading:
		s.Role, s.Term, s.Token = isLeader, e.Term, e.Token
	case renewed:
		return // It is of interest at the end only.
	case terminated, worked, reported:
	}
	b.sayLocked(e.At, "%s", e.text())
	found, _ := changes(b.history) // What is wrong in it is told at the end.
	for ; b.gaps < len(found); b.gaps++ {
		c := found[b.gaps]
		b.sayLocked(e.At, "%s: %s → %s, gap %s", c.Fault.name(), c.From, c.To, short(c.Gap()))
	}
}

// observe takes a replica's report.
func (b *board) observe(name string, at time.Time, r report.Report) {
	if b.sharing != nil && r.Event != report.EventState {
		return // It is of the manager's own Lease.
	}
	kinds := map[string]kind{report.EventLeading: leading, report.EventWorked: worked, report.EventStopped: stopped}
	if k := kinds[r.Event]; k != "" {
		b.note(event{At: at, Replica: name, Kind: k, Token: r.Token, Term: r.Term, Detail: r.Cause})
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.statusLocked(name)
	s.Report = r
	switch {
	case s.Role == isDown || s.Role == isCold: // It was on its way when that happened.
	case r.Leading:
		s.Role = isLeader
	default:
		s.Role = isStandby
	}
	b.touchLocked()
}

// snapshot returns a copy of what is shown, with the lines from number `from` on.
func (b *board) snapshot(from int) ([]status, []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.statuses), slices.Clone(b.lines[from:])
}

// shares returns who holds each shard, nil if one replica leads.
func (b *board) shares() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.sharing == nil {
		return nil
	}
	return slices.Clone(b.sharing.holders)
}

// names returns those of the replicas.
func (b *board) names() (all []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range b.statuses {
		all = append(all, s.Name)
	}
	return all
}

// end ends the play. What happens from now on is shown, but does not count.
func (b *board) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.final, b.curtain = slices.Clone(b.history), time.Now()
}

// played returns the history of the play, and when it ended.
func (b *board) played() ([]event, time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.final, b.curtain
}

// events returns a copy of the history.
func (b *board) events() []event {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.history)
}

// await waits until cond is true of the history and the statuses, and returns an error if that takes too long.
func (b *board) await(ctx context.Context, limit time.Duration, what string, cond func([]event, []status) bool) error {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for {
		b.mu.Lock()
		done, failure, changed := cond(b.history, b.statuses), b.failure, b.changed
		b.mu.Unlock()
		if failure != nil {
			return failure
		}
		if done {
			return nil
		}
		select {
		case <-changed:
		case <-timer.C:
			return fmt.Errorf("after %v it is still not so that %s", limit, what)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// watch lets time pass, unless something fails.
func (b *board) watch(ctx context.Context, pause time.Duration) error {
	over := time.Now().Add(pause)
	timer := time.NewTimer(pause)
	defer timer.Stop()
	for time.Now().Before(over) {
		b.mu.Lock()
		failure, changed := b.failure, b.changed
		b.mu.Unlock()
		if failure != nil {
			return failure
		}
		select {
		case <-changed:
		case <-timer.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}
