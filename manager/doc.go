// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

// Package manager puts an Elector into a controller-runtime manager. An
// operator that kubebuilder scaffolded moves over by one line of its main.go:
//
//	mgr, err := manager.New(ctrl.GetConfigOrDie(), ctrl.Options{…}) // was ctrl.NewManager
//
// # What is promised
//
//  1. Leader-gated runnables run within one term: from its beginning, when the
//     caches have synced, until its context ends. That context carries the term
//     (elector.TermFromContext works in Reconcile) and ends with its cause.
//  2. The Lease is released after the gated runnables have returned, never
//     before, and renewed until then. Then the caches stop, then webhooks, then
//     servers. It is not released at all if gated work does not stop in the time
//     GracefulShutdownTimeout gives it; Start then returns an error that names
//     what hangs.
//  3. When a term is lost, gated runnables are told to stop, and waited for.
//     Those that were given to Add have had their one run: Start returns
//     ErrLeadershipLost. Those built by EachTerm are built anew: a process that
//     has no others leads again, any number of times, and nothing of earlier
//     terms is left in it.
//  4. EachTerm's controllers are built, and have their queues filled, while the
//     replica stands by. Those given to Add do so with controller-runtime's own
//     option, ctrl.Options.Controller.EnableWarmup.
//  5. No controller, of the usual request type, begins a Reconcile after the
//     term's context has ended.
//  6. The client EachTerm's set-up is given writes only while its own term
//     covers the request. Fenced gives other clients that property.
//  7. All else (caches, webhooks, servers, runnables whose NeedLeaderElection is
//     false, warm-ups) runs on every replica, as ever. Elected is closed at the
//     first election.
//  8. WithFencing has the API server refuse what a leader of the past still
//     writes: see package fencing.
//
// A process whose Start has returned an error is to exit: gated work may still
// be running after elector.ErrDrainTimeout, and controllers cannot be started
// twice. Kubernetes starts the next one.
//
// # What differs from controller-runtime's manager, and why
//
//   - After a lost lease Start returns when the gated work has ended, not at
//     once; or there would be two leaders for as long as main takes to exit. The
//     error is ErrLeadershipLost and the reason, not an anonymous one.
//   - A clean stop releases the Lease without LeaderElectionReleaseOnCancel, as
//     that is safe here; see WithoutRelease.
//   - Gated work and the runnables of every replica are told to stop at the same
//     time, instead of one after the other: the Elector is one of the latter,
//     and holds the Lease until the former has ended.
//   - Of GracefulShutdownTimeout a tenth, a second at most, is kept for what
//     comes after the gated work. If it is 0, Start returns without waiting, and
//     the Lease is released only if the process lives until the work has ended.
//   - Contexts of gated runnables end with their term, which may be long before
//     the manager's end, and tell the cause.
//   - A LeaderElectionResourceLockInterface, or a resource lock other than
//     "leases", is refused: nothing could be promised about it. LeaseDuration
//     must be whole seconds, as the Lease stores it that way.
//   - A replica whose EachTerm set-up fails does not campaign.
//   - A replica that lacks permissions on the Lease says so, once, with the Role
//     that would grant them.
package manager
