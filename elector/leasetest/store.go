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
	kind     string // "leases" or "pods"
	old, new object
}

// Write is one change of a Lease, as told to OnWrite's functions. The Leases are copies.
type Write struct {
	Client          string                // who wrote; "" for the Server's own Put, Edit and Delete
	Old             *coordinationv1.Lease // nil for a creation
	New             *coordinationv1.Lease // nil for a deletion
	ResourceVersion string                // given by this write; a deletion has one too
}

// OnWrite adds a function that is called after every write from now on. Calls are made one at a time, in the order of
// the writes, by the goroutine that wrote, before its reply. Watchers may hear of the write earlier. The function may
// read from the server but must not write to it, since the write would wait for its own turn.
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

// list returns the stored objects that are wanted, ordered by name, and the server's revision.
func (s *Server) list(want selection) ([]object, string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.listLocked(want), version(s.revision)
}

func (s *Server) listLocked(want selection) []object {
	var found []object
	if want.kind == podKind {
		found = included(s.pods, want)
	} else {
		found = included(s.leases, want)
	}
	slices.SortFunc(found, func(a, b object) int {
		if byNamespace := strings.Compare(a.GetNamespace(), b.GetNamespace()); byNamespace != 0 {
			return byNamespace
		}
		return strings.Compare(a.GetName(), b.GetName())
	})
	return found
}

func included[T object](stored map[types.NamespacedName]T, want selection) (found []object) {
	for _, o := range stored {
		if want.includes(o) {
			found = append(found, o)
		}
	}
	return found
}

// write replaces the Lease at the given name by what decide makes of it and of the revision the write will have, all in
// one step. decide gets the stored Lease, or nil, and returns a new one, the same one for no change, or gone to delete
// it. It is called with the server locked. The result is the stored Lease, not a copy, or nil if there is none any
// more.
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
	storeLocked(s, s.leases, leaseKind, at, old, next)
	tell := s.observationLocked(client, old, next)
	s.mu.Unlock()
	tell()
	return next, nil
}

// storeLocked stores next in place of old, either of which may be nil, and offers the change to the watches.
func storeLocked[T any, P interface {
	*T
	object
}](s *Server, stored map[types.NamespacedName]P, kind string, at types.NamespacedName, old, next P) {
	s.revision++
	done := change{revision: s.revision, kind: kind}
	if old != nil {
		done.old = old
	}
	if next == nil {
		delete(stored, at)
	} else {
		next.SetResourceVersion(version(s.revision))
		stored[at], done.new = next, next
	}
	s.history = append(s.history, done)
	s.trimLocked()
	for _, w := range s.streams {
		w.offer(done)
	}
}

// observationLocked takes the write's turn among the observations and returns the function that waits for the turn and
// calls the observers. Turns are taken with the server locked, so they come in the order of the writes.
func (s *Server) observationLocked(client string, old, next *coordinationv1.Lease) func() {
	if len(s.observers) == 0 {
		return func() {}
	}
	observers, before, after := slices.Clone(s.observers), s.observed, make(chan struct{})
	s.observed = after
	revision := version(s.revision)
	return func() {
		defer close(after)
		if before != nil {
			<-before
		}
		told := Write{client, old.DeepCopy(), next.DeepCopy(), revision}
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
