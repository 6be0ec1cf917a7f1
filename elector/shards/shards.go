// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package shards

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/kubernetes"

	"github.com/kube-elector/elector/elector"
)

// MaxShards is the largest number of shards.
const MaxShards = 4096

// Callbacks are called for every shard on its own: for one shard in pairs and in
// order, for several concurrently. All are optional.
type Callbacks struct {
	// OnStarted is called when this replica gets a shard, with the context of the
	// shard's term, and does its work. [elector.TermFromContext] returns the term.
	// The context is cancelled, with the reason as its cause, when the shard is to
	// be given back or is lost. OnStarted must return then, and the shard's Lease
	// is not released before. Returning early does not give the shard back. A panic
	// ends the session unreleased and is passed on by Start.
	OnStarted func(ctx context.Context, shard int)
	// OnStopped is called once for every OnStarted, after it has returned and its
	// context has ended. When the shard is given back its Lease is still held, and
	// released after OnStopped has returned.
	OnStopped func(shard int)
	// OnOtherCount, if it is set, makes Start wait while replicas with another number
	// of shards are running, instead of returning [ErrCount]. It is called when that
	// begins, and every ten minutes while it lasts, with an error that is ErrCount and
	// names both numbers. Start waits for it.
	OnOtherCount func(err error)
}

// Shards is one replica's part in a set of shards. All its methods may be called
// concurrently and at any time, in callbacks too.
type Shards struct {
	config    elector.Config // complete
	n         int
	callbacks Callbacks
	logger    *slog.Logger
	clientset kubernetes.Interface

	view    *view
	client  *client
	watcher *watcher
	crashes *crashes // nil without CrashDetection
	metrics *metrics
	trouble trouble

	mu      sync.Mutex // guards all below
	started bool
	session *elector.Elector // of the present life, or the latest
	keeper  *keeper          // while there is a session
	held    map[int]*holding // until their work has ended
	failure error            // why this replica cannot go on
	result  error            // Start's
	refused bool             // while replicas with another number of shards are running
	changes changed          // since the latest line about them
}

// New returns a replica's part in the set of n shards whose Leases are named after
// config.LeaseName, in a copy of config. It does not talk to the API server. Use
// [elector.NewClientset] to make a clientset that shares no connection and no rate
// limit with other traffic. A nil logger means slog.Default(). Everything wrong with
// the arguments is reported in one error.
//
// All fields of config have the meaning that they have for an Elector, of the
// replica's session; EventRecorder is not used. DrainTimeout limits how long the work
// of each shard may take to end. When Enabled is false, this replica has all shards.
func New(config *elector.Config, n int, clientset kubernetes.Interface, callbacks Callbacks, logger *slog.Logger) (*Shards, error) {
	if config == nil {
		return nil, errors.New("shards: config: must not be nil")
	}
	full, err := config.Complete()
	faults := []error{err}
	if n < 1 || n > MaxShards {
		faults = append(faults, fmt.Errorf("n: %d: must be between 1 and %d", n, MaxShards))
	}
	if longest := validation.DNS1123SubdomainMaxLength - longestSuffix; len(full.LeaseName) > longest {
		faults = append(faults, fmt.Errorf("LeaseName: %q: must be at most %d bytes, as names of Leases are made from it", full.LeaseName, longest))
	}
	if full.Enabled && clientset == nil {
		faults = append(faults, errors.New("clientset: must not be nil when Enabled"))
	}
	if logger == nil {
		logger = slog.Default()
	}
	names := names{full.LeaseName}
	s := &Shards{
		config: full, n: n, callbacks: callbacks, clientset: clientset,
		logger: logger.With("shards", full.LeaseNamespace+"/"+full.LeaseName, "identity", full.Identity),
		held:   map[int]*holding{},
		view:   newView(names, n, names.session(full.Identity), full.LeaseDuration),
	}
	s.metrics = newMetrics(s)
	faults = append(faults, full.Validate())
	if err := errors.Join(faults...); err != nil {
		return nil, fmt.Errorf("shards: invalid config:\n%w", err)
	}
	if s.session, err = s.newSession(elector.Callbacks{}); err != nil {
		return nil, err
	}
	if full.Enabled {
		s.client = newClient(full, n, clientset, s.view)
		s.watcher = newWatcher(s)
		if full.CrashDetection != nil {
			s.crashes = newCrashes(s)
		}
	}
	return s, nil
}

// newSession returns the Elector of this replica's session. It is the only candidate
// for its Lease.
func (s *Shards) newSession(callbacks elector.Callbacks) (*elector.Elector, error) {
	c := s.config
	if !c.Enabled {
		return elector.New(&elector.Config{Identity: c.Identity, DrainTimeout: c.DrainTimeout}, nil, callbacks, s.logger)
	}
	c.LeaseName = s.view.self
	c.Labels = s.view.names.labels(s.n, c.Labels)
	c.EventRecorder = nil
	// The work of shards has its own time to end, before the session does. What is
	// left then does not stop.
	c.DrainTimeout = min(c.DrainTimeout, c.LeaseDuration-c.RenewDeadline)
	return elector.New(&c, s.clientset, callbacks, s.logger.With("role", "session"))
}

// Index returns the shard that a key is in. It depends on the key and the number of
// shards alone, and spreads keys evenly, similar ones too.
func (s *Shards) Index(key string) int { return index(key, s.n) }

// Held returns the shards that this replica holds at this instant, in rising order.
// A shard that is given back is held until its OnStarted has returned.
func (s *Shards) Held() []int {
	s.mu.Lock()
	parts := make(map[int]*elector.Part, len(s.held))
	for i, h := range s.held {
		parts[i] = h.part
	}
	s.mu.Unlock()
	held := make([]int, 0, len(parts))
	for i, part := range parts {
		if part.Remaining() > 0 {
			held = append(held, i)
		}
	}
	slices.Sort(held)
	return held
}

// Term returns the term of a shard, and false if this replica does not hold it at
// this instant. Its Token is the version of the shard's claim: the tokens of a shard
// rise strictly, and those of all shards differ.
func (s *Shards) Term(shard int) (elector.Term, bool) {
	s.mu.Lock()
	h := s.held[shard]
	s.mu.Unlock()
	if h == nil || h.part.Remaining() == 0 {
		return elector.Term{}, false
	}
	return h.part.Term(), true
}

// NeedLeaderElection returns false: in a controller-runtime manager every replica
// runs its Shards.
func (s *Shards) NeedLeaderElection() bool { return false }

// Collector returns the metrics, for any registry; it registers nothing itself. Sets
// with different Leases may share a registry.
func (s *Shards) Collector() prometheus.Collector { return s.metrics }

// fail notes why this replica cannot go on. The first reason wins.
func (s *Shards) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failure == nil {
		s.failure = err
	}
}

// failed returns why this replica cannot go on, nil if it can.
func (s *Shards) failed() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failure
}

// renewed reports whether this replica's session was renewed in the last d.
func (s *Shards) renewed(d time.Duration) bool {
	s.mu.Lock()
	e := s.session
	s.mu.Unlock()
	return e.Remaining() > s.config.RenewDeadline-d
}
