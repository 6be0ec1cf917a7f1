// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kube-elector/elector/elector"
	"github.com/kube-elector/elector/examples/operator/api/v1alpha1"
)

// witness sees at the API server what the replicas do there, whatever they report. Its methods may be called
// concurrently.
type witness struct {
	board *board

	mu      sync.Mutex // guards what is below
	flashes map[string]int64
	tokens  map[string]elector.Token
	stale   []error
}

// follow watches objects of the list's type until ctx is done, and calls see with each state of each.
func (c *cluster) follow(ctx context.Context, list client.ObjectList, see func(client.Object)) error {
	for ctx.Err() == nil {
		w, err := c.client.Watch(ctx, list, client.InNamespace(c.namespace))
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("watching the %T: %w", list, err)
		}
		// The API server ends a watch now and then. The next begins with the present states.
		for e := range w.ResultChan() {
			if obj, ok := e.Object.(client.Object); ok && (e.Type == watch.Added || e.Type == watch.Modified) {
				see(obj)
			}
		}
		w.Stop()
	}
	return nil
}

// attend watches until ctx is done.
func (w *witness) attend(ctx context.Context, c *cluster) {
	var following sync.WaitGroup
	defer following.Wait()
	for list, see := range map[client.ObjectList]func(client.Object){
		&coordinationv1.LeaseList{}: w.seeLease,
		&v1alpha1.BeaconList{}:      w.seeBeacon,
	} {
		following.Go(func() {
			if err := c.follow(ctx, list, see); err != nil {
				w.board.fail(err)
			}
		})
	}
}

func (w *witness) seeLease(obj client.Object) {
	lease, ok := obj.(*coordinationv1.Lease)
	if shard, of := shardOf(obj.GetName()); of && ok {
		holder, _, _ := strings.Cut(ptr.Deref(lease.Spec.HolderIdentity, ""), "_")
		w.board.hold(shard, holder, time.Now())
		return
	}
	if !ok || lease.Spec.HolderIdentity == nil || lease.Spec.RenewTime == nil {
		return
	}
	// An identity is the replica's name, "_" and a UUID. A released lease has none. In a user's cluster the holder may be
	// any process.
	if replica, _, _ := strings.Cut(*lease.Spec.HolderIdentity, "_"); w.board.has(replica) {
		w.board.note(event{At: lease.Spec.RenewTime.Time, Replica: replica, Kind: renewed})
	}
}

// seeBeacon finds flashes of a former leader, which come after one with a higher token.
func (w *witness) seeBeacon(obj client.Object) {
	beacon, ok := obj.(*v1alpha1.Beacon)
	if !ok || beacon.Status.Token == "" {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	token, before := elector.Token(beacon.Status.Token), w.tokens[beacon.Name]
	w.flashes[beacon.Name], w.tokens[beacon.Name] = beacon.Status.Flashes, token
	if before == "" {
		return
	}
	if order, err := token.Compare(before); err != nil || order < 0 {
		w.stale = append(w.stale, fmt.Errorf("%s was written with token %s after %s", beacon.Name, token, before))
	}
}

// verdict returns how many flashes there were, and which of them are faults.
func (w *witness) verdict() (flashes int64, stale []error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, n := range w.flashes {
		flashes += n
	}
	return flashes, w.stale
}
