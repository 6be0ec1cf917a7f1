// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

// Package elector elects a leader among the replicas of a program that runs on
// Kubernetes, by a Lease. It runs client-go's LeaderElector and puts around it
// what that leaves open: a standby that waits for the Lease instead of polling
// it, a leader that knows until when it leads, and an end in good order.
//
// # Use
//
//	e, err := elector.New(&config, clientset, elector.Callbacks{
//		OnStartedLeading: func(ctx context.Context) { work(ctx) },
//	}, slog.Default())
//	if err != nil {
//		return err
//	}
//	return e.Start(ctx)
//
// Everything in the package may be used concurrently.
//
// # Guarantees
//
//  1. At most one valid term at a time, as long as no clock runs faster than
//     another by more than LeaseDuration/RenewDeadline (1.5 at the defaults) and
//     the work stops within LeaseDuration−RenewDeadline (5 s) of its context's
//     end.
//  2. The term's context is cancelled RenewDeadline after the sending of the
//     last acknowledged renewal at the latest, whatever the API server, the
//     network or a slow reply does; and within 50 ms of the API server's knowing
//     of another holder, another object of that name, or none, while the watch
//     works. Its cause (context.Cause) says why.
//  3. IsLeader, Remaining and Term tell the truth at the instant of the call, by
//     the clocks. A process that was stopped and continued finds itself not
//     leading before it acts.
//  4. Callbacks come in pairs and in order: OnStartedLeading, its return,
//     OnStoppedLeading. There is no OnStoppedLeading without the former, and no
//     two terms of one process overlap. OnNewLeader comes one call at a time, in
//     order, never with "".
//  5. The Lease is released only after the leader's work has returned, only by
//     its holder, and is renewed while the work ends. Work that outlasts
//     DrainTimeout is not released; Start says so (ErrDrainTimeout).
//  6. Losing the leadership does not end the candidate: it stands by again.
//  7. Tokens rise strictly over all terms of a Lease name, also when the Lease
//     is deleted and made anew.
//  8. Two processes with one Identity are found out and never lead together. A
//     process restarted under its old Identity waits for its old record to lapse
//     like anybody else. A process knows its record by its own writes, so a clone
//     of it is found out by the first write of either. Until then a clone made
//     while it leads takes itself for the leader, too.
//  9. A standby costs one watch and does not poll. While it cannot watch it reads
//     every RetryPeriod; should the watch have died silently, one read before
//     every claim shows it. A claim is a compare-and-swap.
//  10. Whatever somebody writes into the Lease causes no panic and no unbounded
//     wait. A recorded duration above MaxLeaseDuration counts only if the holder
//     was seen to renew, or if it is a day at most and the renewTime lies within
//     it. A leader whose record another process has rewritten stops and does not
//     overwrite it. Edits of labels and annotations change no term and are kept.
//  11. Bad configuration is refused by New, all of it in one error that names
//     field, value and rule.
//  12. On a clientset from NewClientset the lease traffic shares no rate limit
//     and no connection with other traffic, and a dead connection costs one
//     attempt, not the leadership.
//
// # Not guaranteed
//
// A lease cannot stop a process that was frozen between its last look and its
// write. Pass the Token along with effects outside the cluster, let the receiver
// refuse a lower one, and check Remaining before a request, bounding it by that.
//
// Work that ignores its cancelled context may run beside another leader's.
//
// A candidate that starts when there is no Lease, or finds it blanked, takes it
// for free. An administrator who blanks the Lease of a leader that cannot reach
// the API server, or deletes it before a candidate starts, voids guarantee 1 for
// up to RenewDeadline. Candidates that saw the leader's record wait for its time
// when the Lease is deleted, or replaced by another record, and an edit of the
// duration does not shorten their wait.
//
// A renewal writes the holder, the duration and the times again. An edit of these
// lasts until then. It keeps leaseTransitions, the fields for coordinated
// election, labels and annotations. Config.Labels are written at the election.
//
// After etcd was restored from a backup tokens may repeat, unless its revision
// was bumped.
//
// # Clocks
//
// No two machines' clocks are compared, and the times in the Lease are for
// people. A leader counts from before it sent a renewal, by the monotonic or the
// wall clock, whichever says more: after a suspension, when the monotonic clock
// stood still, it does not lead. A wall clock set ahead by more than
// RenewDeadline ends a term; one set back does nothing. A standby counts from
// when it saw the Lease change, by the monotonic clock. It waits the duration
// that the holder recorded, which may differ from its own.
//
// # The end of a term
//
// A term ends voluntarily when Start's context is cancelled or StepDown is
// called. Then the term's context is cancelled, OnStartedLeading returns,
// IsLeader turns false, OnStoppedLeading returns, renewing ends, the Lease is
// released. It ends involuntarily when the Lease was lost or not renewed in
// time: IsLeader is false at once, the context is cancelled, OnStartedLeading
// and OnStoppedLeading return, and nothing is written. Either way a candidate
// that was not stopped stands by again.
//
// # Logging, metrics, Events
//
// client-go logs through the logger given to New, at its own levels; errors that
// belong to a normal day, such as a lost race, are demoted to Debug. Collector
// gives Prometheus metrics. With Config.EventRecorder set, beginnings and ends of
// terms and duplicate identities are recorded as Events on the Lease.
//
// # Permissions
//
// On the one Lease by name: get, update, watch. In its namespace: create leases,
// unless the Lease is there already; create cannot be limited by name.
package elector
