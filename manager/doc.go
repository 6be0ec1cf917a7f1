// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

// Package manager puts an Elector into a controller-runtime manager. An operator that kubebuilder scaffolded moves over
// by one line of its main.go:
//
//	mgr, err := manager.New(ctrl.GetConfigOrDie(), ctrl.Options{…}) // was ctrl.NewManager
//
// The pages in examples/over say what becomes of each of the options, and how operators move over that elect their
// leader by operator-lib's leader-for-life or by knative's leader-aware reconcilers.
//
// Controllers live as long as the process. Their requests are gated: handed out in a term of this replica, and kept
// otherwise. See [Gate] for the same with a manager and an Elector of your own.
//
// # What is promised
//
//  1. Leader-gated work runs within a term: from its beginning, when the caches have synced, until its context ends. A
//     controller starts a Reconcile only while a term lasts, and never after the term's context has ended. That context
//     carries the term ([elector.TermFromContext] works in Reconcile) and ends with its cause.
//  2. The Lease is released after gated work has returned, never before, and is renewed until then. Then the caches
//     stop, then webhooks, then servers. The Lease is not released at all if gated work does not stop in the time
//     GracefulShutdownTimeout gives it. Start then returns an error that names what hangs, requests included. If the
//     work has stopped but the API server does not acknowledge the release, that is logged as a warning and Start
//     returns nil, as controller-runtime does. The next leader then waits until the Lease lapses.
//  3. After a lost term, gated work has until LeaseDuration - RenewDeadline after the end of its context, or until the
//     end of its part of GracefulShutdownTimeout if that is sooner. If it has not returned by then, Start returns at
//     once with an error that names it, so that the process can exit before another replica leads.
//  4. No request of a controller is lost between terms. One that was cut short by the end of its term is repeated in
//     the next, whatever Reconcile returned.
//  5. An outage is a pause. If the term that follows a lost one took over this process's own record
//     ([elector.Term.Resumed]), nobody led in between, and work goes on where it stopped: RequeueAfter and back-off
//     included.
//  6. When another replica leads after a lost term, or may have, Start returns [ErrLeadershipLost]: what reconcilers
//     remember may be stale. With [WithReElection] the process stays, and every object is reconciled once more in its
//     next term.
//  7. Where something relies on the process ending with the leadership, a lost term ends it at once, in a pause too:
//     runnables that are not controllers and had their one run, controllers that cannot be gated, and callers of
//     [Manager.Elected]. A line in the log says which rule applies and why.
//  8. A standby is warm: its caches and sources are ready, unless [WithColdStandby] or EnableWarmup says otherwise. It
//     collects no requests for objects. A controller is told of all objects when its replica is elected.
//  9. The Manager's client writes, in a context that descends from a term, only while that term covers the write. Other
//     writes pass.
//  10. All else (caches, webhooks, servers, runnables and controllers whose NeedLeaderElection is false) runs on every
//     replica, as ever. Elected is closed at the first election and stays closed.
//  11. A Service that was given to [WithLeaderService] has one ready address of a family at most, that of the leader,
//     from when its gated work has been started. A voluntary end removes it before the Lease is released, if the API
//     server takes it within half a second.
//  12. WithFencing makes the API server reject writes from a former leader: see package fencing.
//  13. With [WithShards] controllers work on all replicas. A request is reconciled only by the replica that has its shard,
//     in the shard's term, and no two replicas have a shard at a time. A shard is released after its requests have
//     returned. A replica that gets a shard reconciles each of its objects. What this page says of controllers and terms
//     is then about shards, but that losing one never ends the process.
//
// A process whose Start has returned an error must exit: gated work may still be running after elector.ErrDrainTimeout,
// and controllers cannot be started twice. Kubernetes starts the next one.
//
// # What differs from controller-runtime's manager, and why
//
//   - A lost lease does not end the process unless another replica leads, or something relies on it. An outage of the
//     API server alone is no reason to restart every operator in the cluster.
//   - When it does, Start returns after the gated work has ended, not at once; or there would be two leaders for as
//     long as main takes to exit. The error is ErrLeadershipLost and the reason, not an anonymous one.
//   - A clean stop releases the Lease without LeaderElectionReleaseOnCancel, as that is safe here; see WithoutRelease.
//   - EnableWarmup is true where it was not set. A standby then has the leader's informers, polls the sources that poll,
//     reads the channels of source.Channel, and ends with an error if a kind it watches does not exist after
//     CacheSyncTimeout.
//   - Event handlers are called only while this replica leads, and in pauses. At an election they are called with a
//     Create event for every object, while the first requests are being reconciled. Events that cannot be replayed, of
//     a source.Channel, a source.Func or a source on another cluster's cache, are taken in at any time, and their
//     requests kept until this replica leads. For other clusters' caches see [Gate.Cache].
//   - Gated work and the runnables of every replica are told to stop at the same time, instead of one after the other:
//     the Elector is one of the latter, and holds the Lease until the former has ended.
//   - Of GracefulShutdownTimeout a tenth, a second at most, is kept for what comes after the gated work. If it is 0,
//     Start returns without waiting, and the Lease is released only if the process lives until the work has ended.
//   - Contexts of gated work end with their term, which may be long before the manager's end, and carry the cause. What
//     a Reconcile returns after that is ignored: an error is logged at level V(1) only.
//   - The metrics workqueue_depth and workqueue_adds_total do not count requests that are kept between terms.
//   - A LeaderElectionResourceLockInterface, or a resource lock other than "leases", is refused: nothing could be
//     promised about it. LeaseDuration must be whole seconds, as the Lease stores it that way.
//   - A replica that lacks permissions on the Lease logs that, again every ten minutes until they are granted, with the
//     Role that would grant them.
//   - Events about the Lease, and the check of the permissions, go to the cluster of LeaderElectionConfig.
//   - AddHealthzCheck refuses the name that WithHealthzCheck was given.
package manager
