// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"context"
	"sync"

	"github.com/go-logr/logr"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/klog/v2"
)

// statuses keeps client-go's metric leader_election_master_status true for this process. Its only label is the Lease's
// name, and client-go sets it to 0 whenever a LeaderElector is made, as one is for every claim. That would tell that
// nobody here leads a Lease of that name in another namespace, whose leader sets it to 1 only once. So what may have
// set it to 0 sets it to 1 again while another Elector of this process leads.
var statuses = statusKeeper{leading: map[string]int{}}

type statusKeeper struct {
	mu      sync.Mutex     // guards leading, and keeps changes of the metric in order
	leading map[string]int // terms of this process by the Lease's name
}

// newLeaderElector makes client-go's LeaderElector without a change of the metric, but that it is there from now on.
func (s *statusKeeper) newLeaderElector(config leaderelection.LeaderElectionConfig) (*leaderelection.LeaderElector, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.restoreLocked(config.Name)
	return leaderelection.NewLeaderElector(config) //nolint:wrapcheck // the caller says what it is for
}

// begun takes in a term's beginning, which client-go tells the metric itself.
func (s *statusKeeper) begun(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leading[name]++
}

// ended takes in a term's end. A LeaderElector that is stopped between two renewals leaves the metric at 1, and making
// one sets it to 0.
func (s *statusKeeper) ended(config leaderelection.LeaderElectionConfig) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.leading[config.Name]--; s.leading[config.Name] == 0 {
		delete(s.leading, config.Name)
	}
	_, _ = leaderelection.NewLeaderElector(config)
	s.restoreLocked(config.Name)
}

// restoreLocked sets the metric to 1 if a term of this process lasts. Only a LeaderElector that acquires can do that.
// This one acquires nothing.
func (s *statusKeeper) restoreLocked(name string) {
	if s.leading[name] == 0 {
		return
	}
	ctx, cancel := context.WithCancel(klog.NewContext(context.Background(), logr.Discard()))
	defer cancel()
	started := make(chan struct{})
	le, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock: noLock{acquired: cancel}, Name: name,
		LeaseDuration: DefaultLeaseDuration, RenewDeadline: DefaultRenewDeadline, RetryPeriod: DefaultRetryPeriod,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(context.Context) { close(started) },
			OnStoppedLeading: func() {},
		},
	})
	if err == nil {
		le.Run(ctx)
		<-started
	}
}

// noLock is acquired at once, and the campaign for it ends with that.
type noLock struct{ acquired func() }

var _ resourcelock.Interface = noLock{}

// Get returns the record of a lock that nobody holds.
func (noLock) Get(context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	return &resourcelock.LeaderElectionRecord{}, nil, nil
}

// Create does nothing.
func (noLock) Create(context.Context, resourcelock.LeaderElectionRecord) error { return nil }

// Update does nothing.
func (noLock) Update(context.Context, resourcelock.LeaderElectionRecord) error { return nil }

// RecordEvent implements client-go's lock. client-go calls it when it has acquired the lock, before any renewal.
func (l noLock) RecordEvent(string) { l.acquired() }

// Identity returns a name, as there must be one.
func (noLock) Identity() string { return "master-status" }

// Describe returns nothing, as nothing is logged.
func (noLock) Describe() string { return "" }
