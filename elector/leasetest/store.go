// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package leasetest

import (
	"slices"
	"strconv"
	"strings"

	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/apimachinery/pkg/types"
)

// A change is one write. It is from nothing when old is nil, and to nothing when new is nil.
type change struct {
	revision uint64
	old, new *coordinationv1.Lease
}

// Write is one change of a Lease, as told to OnWrite's functions. The Leases are copies.
type Write struct {
	Client          string                // who wrote; "" for the Server's own Put, Edit and Delete
	Old             *coordinationv1.Lease // nil for a creation
	New             *coordinationv1.Lease // nil for a deletion
	ResourceVersion string                // given by this write; a deletion has one too
}

// OnWrite adds a function that is called after every write from now on. Calls are made one at a time, in the
// order of the writes, by the goroutine that wrote, before its reply. Watchers may hear of the write earlier.
// The function may read from the server but must not write to it, since the write would wait for its own turn.
func (s *Server) OnWrite(observe func(Write)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.observers = append(s.observers, observe)
}

// read returns the stored Lease, not a copy, or nil.
func (s *Server) read(at types.NamespacedName) *coordinationv1.Lease {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.leases[at]
}

// list returns the stored Leases that are wanted, ordered by name, and the server's revision.
func (s *Server) list(want selection) ([]*coordinationv1.Lease, string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.listLocked(want), version(s.revision)
}

func (s *Server) listLocked(want selection) []*coordinationv1.Lease {
	var found []*coordinationv1.Lease
	for _, lease := range s.leases {
		if want.includes(lease) {
			found = append(found, lease)
		}
	}
	slices.SortFunc(found, func(a, b *coordinationv1.Lease) int {
		if byNamespace := strings.Compare(a.Namespace, b.Namespace); byNamespace != 0 {
			return byNamespace
		}
		return strings.Compare(a.Name, b.Name)
	})
	return found
}

// write replaces the Lease at the given name by what decide makes of it and of the revision the write will
// have, all in one step. decide gets the stored Lease, or nil, and returns a new one, the same one for no
// change, or gone to delete it. It is called with the server locked. The result is the stored Lease, not a
// copy, or nil if there is none any more.
func (s *Server) write(
	client string, at types.NamespacedName,
	decide func(old *coordinationv1.Lease, revision uint64) (*coordinationv1.Lease, error),
) (*coordinationv1.Lease, error) {
	s.mu.Lock()
	old := s.leases[at]
	next, err := decide(old, s.revision+1)
	if next == gone {
		next = nil
	}
	if err != nil || next == old {
		s.mu.Unlock()
		return next, err
	}
	s.revision++
	done := change{revision: s.revision, old: old, new: next}
	if next == nil {
		delete(s.leases, at)
	} else {
		next.ResourceVersion = version(s.revision)
		s.leases[at] = next
	}
	s.history = append(s.history, done)
	s.trimLocked()
	for _, w := range s.streams {
		w.offer(done)
	}
	tell := s.observationLocked(client, done)
	s.mu.Unlock()
	tell()
	return next, nil
}

// observationLocked takes the write's turn among the observations and returns the function that waits for the
// turn and calls the observers. Turns are taken with the server locked, so they come in the order of the writes.
func (s *Server) observationLocked(client string, done change) func() {
	if len(s.observers) == 0 {
		return func() {}
	}
	observers, before, after := slices.Clone(s.observers), s.observed, make(chan struct{})
	s.observed = after
	return func() {
		defer close(after)
		if before != nil {
			<-before
		}
		told := Write{client, done.old.DeepCopy(), done.new.DeepCopy(), version(done.revision)}
		for _, observe := range observers {
			observe(told)
		}
	}
}

func (s *Server) trimLocked() {
	if excess := len(s.history) - s.historyLimit; excess > 0 {
		s.forgotten = s.history[excess-1].revision
		s.history = s.history[excess:]
	}
}

// gone is what a decision to delete returns.
var gone = &coordinationv1.Lease{}

func version(revision uint64) string { return strconv.FormatUint(revision, 10) }
