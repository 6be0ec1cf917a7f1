// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"syscall"
	"time"
)

const (
	startLimit = time.Minute      // for the replicas to start and one of them to lead
	slack      = 30 * time.Second // for another to lead, after the lease has lapsed
	stopLimit  = 45 * time.Second // for a replica to end, which waits 30s for its work
	wakeLimit  = 30 * time.Second // for a replica that goes on to find out that it does not lead
)

// show is the play and those who act in it.
type show struct {
	options  options
	board    *board
	cluster  *cluster
	operator string // the binary
	names    []string
	playing  context.Context // ends with the play
	replicas map[string]*replica
	pods     map[string]*pod
}

// play starts the replicas and brings four leaders down. One may hand over, one is killed, one is lost with its node,
// and one is frozen and goes on when another leads.
func (s *show) play(ctx context.Context) error {
	for _, name := range s.names {
		if err := s.start(name); err != nil {
			return err
		}
	}
	all := func(_ []event, statuses []status) bool {
		return !slices.ContainsFunc(statuses, func(s status) bool { return s.Role == isStarting })
	}
	if err := s.board.await(ctx, startLimit, "every replica runs", all); err != nil {
		return err
	}
	leader, err := s.awaitLeader(ctx, "", startLimit)
	if err != nil {
		return err
	}
	for _, act := range []func(context.Context, string) (string, error){s.stopLeader, s.killLeader, s.loseNode, s.freezeLeader} {
		if err := s.board.watch(ctx, s.options.pause); err != nil {
			return err
		}
		if leader, err = act(ctx, leader); err != nil {
			return err
		}
	}
	return s.board.watch(ctx, s.options.pause)
}

func (s *show) start(name string) error {
	if s.pods[name] == nil {
		made, err := newPod(s.playing, s.cluster, s.options.out, name)
		if err != nil {
			return err
		}
		s.pods[name] = made
	}
	if err := s.pods[name].run(s.playing); err != nil {
		return err
	}
	r, err := startReplica(s.playing, s.board, s.pods[name], s.options, s.operator, slices.Index(s.names, name))
	if err != nil {
		return fmt.Errorf("starting replica %s: %w", name, err)
	}
	s.replicas[name] = r
	return nil
}

// awaitLeader waits until a replica other than old leads, and has worked.
func (s *show) awaitLeader(ctx context.Context, old string, limit time.Duration) (string, error) {
	leader := ""
	what := "a replica leads and works"
	if old != "" {
		what = fmt.Sprintf("a replica other than %s leads and works", old)
	}
	err := s.board.await(ctx, limit, what, func(history []event, _ []status) bool {
		i := lastOf(history, func(e event) bool { return e.Kind == leading })
		if i < 0 || history[i].Replica == old {
			return false
		}
		leader = history[i].Replica
		return lastOf(history, func(e event) bool { return e.Kind == worked && e.Token == history[i].Token }) >= 0
	})
	return leader, err
}

// lastOf returns the index of the last event for which is reports true, or -1.
func lastOf(history []event, is func(event) bool) int {
	for i, e := range slices.Backward(history) {
		if is(e) {
			return i
		}
	}
	return -1
}

func (s *show) stopLeader(ctx context.Context, old string) (string, error) {
	if err := s.strike(old, terminated, syscall.SIGTERM); err != nil {
		return "", err
	}
	leader, err := s.awaitLeader(ctx, old, s.options.leaseDuration+slack)
	if err != nil {
		return "", err
	}
	if err := s.awaitEnd(ctx, old); err != nil {
		return "", err
	}
	if err := s.replicas[old].err; err != nil {
		return "", fmt.Errorf("replica %s was asked to stop, and ended with an error: %w", old, err)
	}
	return leader, s.start(old)
}

func (s *show) awaitEnd(ctx context.Context, name string) error {
	timer := time.NewTimer(stopLimit)
	defer timer.Stop()
	select {
	case <-s.replicas[name].ended:
		return nil
	case <-timer.C:
		return fmt.Errorf("replica %s has not ended %v after it was told to", name, stopLimit)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (s *show) killLeader(ctx context.Context, old string) (string, error) {
	return s.crash(ctx, old, killed)
}

func (s *show) loseNode(ctx context.Context, old string) (string, error) {
	s.pods[old].lost.Store(true)
	return s.crash(ctx, old, lostNode)
}

func (s *show) crash(ctx context.Context, old string, how kind) (string, error) {
	if err := s.strike(old, how, syscall.SIGKILL); err != nil {
		return "", err
	}
	leader, err := s.awaitLeader(ctx, old, s.options.leaseDuration+slack)
	if err != nil {
		return "", err
	}
	if err := s.awaitEnd(ctx, old); err != nil {
		return "", err
	}
	return leader, s.start(old)
}

// strike sends a signal to a replica. It records that first, since its consequences may be reported at once.
func (s *show) strike(old string, k kind, sig syscall.Signal) error {
	s.board.note(event{At: time.Now(), Replica: old, Kind: k})
	return s.replicas[old].signal(sig)
}

func (s *show) freezeLeader(ctx context.Context, old string) (string, error) {
	if err := s.strike(old, frozen, syscall.SIGSTOP); err != nil {
		return "", err
	}
	leader, err := s.awaitLeader(ctx, old, s.options.leaseDuration+slack)
	if err != nil {
		return "", err
	}
	if err := s.board.watch(ctx, s.options.pause); err != nil {
		return "", err
	}
	awake := time.Now()
	if err := s.strike(old, woken, syscall.SIGCONT); err != nil {
		return "", err
	}
	var stop event
	what := fmt.Sprintf("replica %s, which was frozen, knows that it does not lead any more", old)
	err = s.board.await(ctx, wakeLimit, what, func(history []event, _ []status) bool {
		i := lastOf(history, func(e event) bool { return e.Kind == stopped && e.Replica == old })
		if i < 0 || history[i].At.Before(awake) {
			return false
		}
		stop = history[i]
		return true
	})
	if err != nil {
		return "", err
	}
	s.board.say("replica %s found out %s after it went on that it leads no more", old, short(stop.At.Sub(awake)))
	return leader, nil
}

// end stops all replicas, and if there is time the standbys first, which would otherwise lead in turn.
func (s *show) end(grace time.Duration) error {
	leader := ""
	if i := lastOf(s.board.events(), func(e event) bool { return e.Kind == leading }); i >= 0 {
		leader = s.board.events()[i].Replica
	}
	var faults []error
	for _, name := range s.names {
		if r := s.replicas[name]; r != nil && name != leader {
			faults = append(faults, r.stop(grace))
		}
	}
	if r := s.replicas[leader]; r != nil {
		faults = append(faults, r.stop(grace))
	}
	return errors.Join(faults...)
}
