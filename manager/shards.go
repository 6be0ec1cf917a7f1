// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"context"
	"fmt"
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/kube-elector/elector/elector/shards"
	"github.com/kube-elector/elector/manager/fencing"
)

// WithShards spreads the requests of gated controllers over all replicas, instead of leaving all to the leader. They
// are divided into n shards, by the hash of namespace and name, see [ShardBy]. Each shard is served by one replica at a
// time, and each replica serves ⌊n/R⌋ of them or one more, where R is the number of replicas. Package
// [github.com/kube-elector/elector/elector/shards] promises that.
//
// A request is reconciled only by the replica that has its shard. When a replica gets a shard, every object of it that
// exists is reconciled once. The context of Reconcile ends when its shard is given back or lost, and carries the term
// of the shard: the Manager's client, [Fenced] and [Stamping] go by it. A shard is released after its requests have
// returned. If they do not return within GracefulShutdownTimeout, less its tenth and LeaseDuration-RenewDeadline, the
// other shards are given back and Start returns an error that names them.
//
// Another replica may have served a shard since this process last did. Reconcilers must not trust what they remember of
// a key, unless they forget it in [ShardCallbacks]. Losing a shard, or all of them in an outage, does not end the
// process; so [WithReElection] has no meaning for sharded controllers.
//
// What is not a controller has no shard. Leader-gated runnables, functions given to EachTerm and controllers that
// cannot be gated run on the leader, the holder of LeaderElectionID's own Lease, by the same rules as without shards.
// With [WithCrashDetection] the shards of a replica that crashes move as soon as the leadership would.
//
// Caches are not divided: every replica has all objects. A request of another type than reconcile.Request has the key
// that its String method returns, or itself if it is a string; all others are in one shard.
//
// All replicas must have the same n. One with another number reconciles nothing. It logs an error and waits until those
// that came before have stopped, so a rolling update changes the number: see [shards.ErrCount]. Choose n once, some ten
// times the largest number of replicas: 64 for up to six.
//
// A replica takes part once its controllers have warmed up: unless it has [WithColdStandby], it has all objects then.
//
// It costs each replica a second Lease to renew, named LeaderElectionID-replica-…, and a watch on the set's Leases, and
// a Lease named LeaderElectionID-shard-N for each shard. It needs the permissions to get, list, watch, create and
// update Leases in the namespace, and should have that to delete them. Of package fencing's policies only
// [fencing.Epoch] can be combined with it, as the others compare with one Lease. Without LeaderElection this replica
// has all shards.
func WithShards(n int) Option {
	return func(s *settings) { s.shards.given, s.shards.n = true, n }
}

// ShardByNamespace puts all requests of a namespace into one shard, so that one replica reconciles all of it, whatever
// the kind. Requests of objects that are in no namespace go by their name, which puts a Namespace together with what is
// in it. The shards are as uneven as the namespaces are.
func ShardByNamespace() Option {
	return ShardBy(func(r reconcile.Request) string {
		if r.Namespace == "" {
			return r.Name
		}
		return r.Namespace
	})
}

// ShardBy puts requests with the same key into one shard. The key must depend on nothing but the request. It is called
// often and concurrently. By default the key is namespace/name.
func ShardBy(key func(reconcile.Request) string) Option {
	return func(s *settings) { s.shards.keys = append(s.shards.keys, key) }
}

// ShardCallbacks are called for each shard in pairs and in order, and for several shards concurrently. Both are
// optional.
type ShardCallbacks struct {
	// OnAcquired is called when this replica has got a shard, before the first of its requests is handed out: forget what
	// you remember of its keys ([Manager.ShardOf]) unless the term in ctx is Resumed. Requests wait until it returns, and
	// so does the release of the shard. It must return when ctx ends, at the latest.
	OnAcquired func(ctx context.Context, shard int)
	// OnLost is called when the requests of a shard have returned after its end, before its Lease is released.
	OnLost func(shard int)
}

// WithShardCallbacks makes the Manager call these when this replica gets and loses shards. It needs [WithShards].
func WithShardCallbacks(callbacks ShardCallbacks) Option {
	return func(s *settings) { s.shards.callbacks, s.shards.called = callbacks, true }
}

// shardSettings are what the options about shards say.
type shardSettings struct {
	given, called bool // WithShards, WithShardCallbacks
	n             int
	keys          []func(reconcile.Request) string
	callbacks     ShardCallbacks
}

// faults returns what is wrong with the options about shards.
func (s settings) shardFaults() []error {
	var faults []error
	add := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if !s.shards.given {
		if len(s.shards.keys) > 0 {
			add("ShardBy, ShardByNamespace: need WithShards")
		}
		if s.shards.called {
			add("WithShardCallbacks: needs WithShards")
		}
		return faults
	}
	if n := s.shards.n; n < 1 || n > shards.MaxShards {
		add("WithShards: %d: must be between 1 and %d", n, shards.MaxShards)
	}
	if len(s.shards.keys) > 1 {
		add("ShardBy, ShardByNamespace: given %d times: choose one", len(s.shards.keys))
	}
	for _, key := range s.shards.keys {
		if key == nil {
			add("ShardBy: must not be nil")
		}
	}
	if s.fencing != nil && !slices.Equal(s.fencing.Policies, []fencing.Policy{fencing.Epoch}) {
		add("WithFencing: Policies: %q: must be [%q] with WithShards: the policies %q and %q know the holder of one Lease, and each shard has a Lease and a holder of its own",
			s.fencing.Policies, fencing.Epoch, fencing.Holder, fencing.Guard)
	}
	return faults
}

// newShards makes this replica's part in the set of shards, which drives the Gate.
func (m *Manager) newShards() (err error) {
	if !m.settings.shards.given {
		return nil
	}
	d := &division{key: func(r reconcile.Request) string { return r.String() }}
	if keys := m.settings.shards.keys; len(keys) > 0 {
		d.key = keys[0]
	}
	m.gate.divide(d, m.settings.shards.callbacks)
	config := m.config
	config.Annotations = nil // are about the leader
	// Where requests do not return, ending the session takes this time once more, up to LeaseDuration-RenewDeadline.
	config.DrainTimeout = max(config.DrainTimeout-(config.LeaseDuration-config.RenewDeadline), config.DrainTimeout/2)
	m.shards, err = shards.New(&config, m.settings.shards.n, m.clientset, m.gate.shards(), m.gate.log)
	if err != nil {
		return fmt.Errorf("manager: WithShards: %w", err)
	}
	d.index = m.shards.Index
	return nil
}

// Shards returns this replica's part in the set of shards, for Held, Term and the like. It is Start that starts it. It
// is nil without [WithShards].
func (m *Manager) Shards() *shards.Shards { return m.shards }

// ShardOf returns the shard that a request is in, and 0 without [WithShards].
func (m *Manager) ShardOf(r reconcile.Request) int {
	if m.shards == nil {
		return 0
	}
	return int(shardOf[reconcile.Request](m.gate.tenures.division)(r))
}

// share takes part in the set of shards, once the controllers are warm. Before that a shard would be taken from a
// replica that serves it, for nothing. What a controller's sources are told first, while no shard is held, is dropped,
// and the replay of a shard would come on top of it.
func (m *Manager) share(ctx context.Context) error {
	select {
	case <-m.gate.warmed:
	case <-ctx.Done():
		return nil
	}
	if err := m.checkFencing(ctx); err != nil || ctx.Err() != nil {
		return err
	}
	return m.conclude(ctx, m.shards.Start(ctx), "the shards did not end cleanly")
}
