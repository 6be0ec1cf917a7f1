// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"time"
)

// share plays replicas that share shards. One joins, one leaves and comes back, and one crashes.
func (s *show) share(ctx context.Context) error {
	last := len(s.names) - 1
	for _, name := range s.names[:last] {
		if err := s.start(name); err != nil {
			return err
		}
	}
	if err := s.awaitEven(ctx, s.names[:last], startLimit); err != nil {
		return err
	}
	for _, act := range []func(context.Context) error{s.joins, s.leaves, s.comesBack, s.crashes} {
		if err := s.board.watch(ctx, s.options.pause); err != nil {
			return err
		}
		if err := act(ctx); err != nil {
			return err
		}
	}
	return s.board.watch(ctx, s.options.pause)
}

// awaitEven waits until the replicas share all shards alike.
func (s *show) awaitEven(ctx context.Context, replicas []string, limit time.Duration) error {
	said := ""
	err := s.board.await(ctx, limit, "the replicas share all shards alike", func([]event, []status) bool {
		counts := s.board.sharing.counts()
		var all []string
		for _, name := range replicas {
			all = append(all, fmt.Sprintf("%s %d", name, counts[name]))
		}
		said = strings.Join(all, ", ")
		return s.board.sharing.even(replicas)
	})
	if err == nil {
		s.board.say("the shards are shared: %s", said)
	}
	return err
}

// act does something to a replica, and waits until the others share what there is.
func (s *show) act(ctx context.Context, name, replica string, among []string, do func(at time.Time) error) error {
	began := time.Now()
	if err := do(began); err != nil {
		return err
	}
	if err := s.awaitEven(ctx, among, s.options.leaseDuration+slack); err != nil {
		return err
	}
	s.board.did(act{Name: name, Replica: replica, Began: began, Done: time.Now()})
	return nil
}

func (s *show) joins(ctx context.Context) error {
	name := s.names[len(s.names)-1]
	return s.act(ctx, "joins", name, s.names, func(time.Time) error { return s.start(name) })
}

func (s *show) leaves(ctx context.Context) error {
	name := s.names[0]
	err := s.act(ctx, "leaves (SIGTERM)", name, s.names[1:], func(time.Time) error { return s.strike(name, terminated, syscall.SIGTERM) })
	if err != nil {
		return err
	}
	if err := s.awaitEnd(ctx, name); err != nil {
		return err
	}
	if err := s.replicas[name].err; err != nil {
		return fmt.Errorf("replica %s was asked to stop, and ended with an error: %w", name, err)
	}
	return nil
}

func (s *show) comesBack(ctx context.Context) error {
	return s.act(ctx, "joins again", s.names[0], s.names, func(time.Time) error { return s.start(s.names[0]) })
}

func (s *show) crashes(ctx context.Context) error {
	name := s.names[len(s.names)-1]
	rest := slices.DeleteFunc(slices.Clone(s.names), func(n string) bool { return n == name })
	return s.act(ctx, "crashes (SIGKILL)", name, rest, func(at time.Time) error {
		s.board.dropAll(name, at)
		return s.strike(name, killed, syscall.SIGKILL)
	})
}

// did notes what was done.
func (b *board) did(a act) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sharing.acts = append(b.sharing.acts, a)
}

// dropAll notes that a replica has crashed.
func (b *board) dropAll(replica string, at time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sharing.drop(replica, at)
	b.touchLocked()
}
