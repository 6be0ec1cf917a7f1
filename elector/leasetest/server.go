// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package leasetest

import (
	"fmt"
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Server is one API server's worth of Leases and Pods, all namespaces of it. Make it with NewServer. It has no
// goroutine and needs no closing. All methods may be called concurrently.
type Server struct {
	mu sync.Mutex // guards the fields below; never held while waiting or calling out

	clients map[string]*Client

	revision  uint64
	generated int                                            // names made from a generateName
	leases    map[types.NamespacedName]*coordinationv1.Lease // a stored Lease is replaced, never changed
	pods      map[types.NamespacedName]*corev1.Pod           // likewise
	valid     map[types.NamespacedName]*coordinationv1.Lease // the last that updates have stored: known to be valid

	history      []change // the newest changes, oldest first
	historyLimit int
	forgotten    uint64 // revision of the newest change that is no longer in history

	streams       []*stream // open watches, oldest first, so that events are handed out in a fixed order
	opened        int       // watches opened so far
	bookmarkEvery time.Duration
	watchTimeout  time.Duration

	admission func(client string, lease *coordinationv1.Lease) error // nil: everything is admitted
	observers []func(Write)
	observed  chan struct{} // closed when the observers of the newest write have returned; nil before the first
}

// NewServer returns an empty server. In a testing/synctest bubble, make it inside the bubble.
func NewServer() *Server {
	return &Server{
		clients: map[string]*Client{},
		// A real server has written other things before the first Lease, and version 0 has a meaning of its own.
		revision:      1,
		leases:        map[types.NamespacedName]*coordinationv1.Lease{},
		valid:         map[types.NamespacedName]*coordinationv1.Lease{},
		pods:          map[types.NamespacedName]*corev1.Pod{},
		historyLimit:  1000,
		bookmarkEvery: time.Minute,
		watchTimeout:  30 * time.Minute,
	}
}

// Client returns the connection of the replica called name, with faults of its own. It makes one at the first call and
// returns the same one after that.
func (s *Server) Client(name string) *Client {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.clients[name]
	if !ok {
		c = newClient(s, name)
		s.clients[name] = c
	}
	return c
}

// Requests returns how many requests the named client has sent since it was made or since the last
// [Server.ResetRequests], whether they reached the server or not. verb is get, list, watch, create, update, patch,
// delete or deletecollection. The verb "" counts all.
func (s *Server) Requests(client, verb string) int {
	s.mu.Lock()
	c, ok := s.clients[client]
	s.mu.Unlock()
	if !ok {
		return 0
	}
	return c.requests(verb)
}

// ResetRequests sets the counts of all clients to zero.
func (s *Server) ResetRequests() {
	s.mu.Lock()
	clients := make([]*Client, 0, len(s.clients))
	for _, c := range s.clients {
		clients = append(clients, c)
	}
	s.mu.Unlock()
	for _, c := range clients {
		c.resetRequests()
	}
}

// LimitHistory sets how many changes the server remembers, 1000 at first. A watch from a resourceVersion before them is
// answered by an error event 410 Expired.
func (s *Server) LimitHistory(changes int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.historyLimit = changes
	s.trimLocked()
}

// Compact forgets all changes made so far. A watch from any resourceVersion but the newest is then expired. Open
// watches are not affected. [Client.ExpireWatches] ends those.
func (s *Server) Compact() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.history = nil
	s.forgotten = s.revision
}

// BookmarkEvery sets the time between the bookmarks of watches opened from now on that ask for them. The default is a
// minute, and 0 sends none. A watch with a timeout always gets one 2 s before it.
func (s *Server) BookmarkEvery(period time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bookmarkEvery = period
}

// WatchTimeout sets how long watches last that are opened from now on without a timeoutSeconds of their own. They last
// from the given time to twice that, like those of a kube-apiserver with this --min-request-timeout. The default is 30
// minutes, and 0 is for ever. The spread depends on how many watches were opened before, not on chance.
func (s *Server) WatchTimeout(shortest time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watchTimeout = shortest
}

// Admit sets a function that sees the Lease of every create, update and patch of a client before it is validated and
// stored, as admission webhooks and policies do. It may change labels, annotations and the spec, and its error is the
// server's answer. It is called with the server locked, so it must not call the server or its clients. The Server's own
// Put, Edit and Reapply are exempt. A nil function admits everything again.
func (s *Server) Admit(review func(client string, lease *coordinationv1.Lease) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.admission = review
}

// admitLocked returns the answer of admission.
func (s *Server) admitLocked(client string, lease *coordinationv1.Lease) error {
	if s.admission == nil {
		return nil
	}
	return s.admission(client, lease)
}

// generateName makes a name as the server does for a Lease that comes without, but countable.
func (s *Server) generateName(base string) string {
	const longest = 63 - 5
	s.mu.Lock()
	defer s.mu.Unlock()
	s.generated++
	return fmt.Sprintf("%s%05d", base[:min(len(base), longest)], s.generated)
}
