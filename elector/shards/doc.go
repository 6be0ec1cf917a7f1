// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

// Package shards spreads the work of a program over all its replicas. The work is
// divided into n shards. Each shard is served by one replica at a time, and each
// replica serves ⌊n/R⌋ of them or one more, where R is the number of replicas.
//
// # Use
//
//	s, err := shards.New(&config, 64, clientset, shards.Callbacks{
//		OnStarted: func(ctx context.Context, shard int) { work(ctx, shard) },
//	}, slog.Default())
//	if err != nil {
//		return err
//	}
//	return s.Start(ctx)
//
// Every replica runs the same. [Shards.Index] tells which shard a key is in. All
// replicas must have the same n, the same LeaseName and Identities of their own.
//
// # How it works
//
// Each replica holds a session: a Lease of its own, which an [elector.Elector] renews
// whose only candidate it is. A shard is a Lease, too, but nobody renews it. It names
// the session of its holder, is worth what that session is worth, and is written only
// when it changes hands. So the number of renewals does not grow with the number of
// shards. One watch per replica shows all sessions and shards.
//
// Who should have what is a function of the members and of who has what. All replicas
// compute it alike, so that they need no leader. When a replica joins, the others end
// the work of the shards that it should have, and release them; it claims them. When
// one leaves, it releases its shards, each as soon as its work has ended, and the
// others claim them. When one crashes, they claim its shards when its session has
// lapsed, or sooner with crash detection.
//
// # Guarantees
//
//  1. At most one replica serves a shard at a time, under the conditions of guarantee
//     1 of package elector. A shard may be claimed when it was released, or its
//     holder's session was, or that session has not changed for LeaseDuration on the
//     claimer's clock since the claimer saw it, and a read confirms that. A claim
//     replaces exactly the version that the decision was made on. With crash detection
//     another replica releases the session of a process that is known to be dead.
//  2. A shard's context ends when its holder's session does, and when the watch shows
//     another record, another object or none in its place. Its cause says why.
//  3. [Shards.Held], [Shards.Term] and [elector.Term.Remaining] tell the truth at the
//     instant of the call.
//  4. For each shard the callbacks come in pairs and in order, and no two terms of it
//     overlap.
//  5. A shard is released only after its work has returned and its holds are given
//     back, and its session is renewed meanwhile. Work that outlasts DrainTimeout is
//     not released. Start then gives back the other shards and returns
//     [elector.ErrDrainTimeout], with the shard's number. It returns that without
//     giving anything back when a shard's Lease was lost, and its work still runs
//     LeaseDuration−RenewDeadline later.
//  6. The tokens of a shard rise strictly over all its terms, also when its Lease is
//     deleted, and no two terms of a set have one token.
//  7. The numbers of shards of two replicas differ by one at most once they have
//     settled, and as few shards as possible move until then. A replica that comes back
//     under its Identity mostly gets the shards that it had.
//  8. Replicas with different n never serve together. The one that comes later gets
//     [ErrCount] from Start, or waits: see [Callbacks]. When two start together both may.
//  9. Replicas with one Identity never serve together: one of them stands by.
//  10. A replica sends a renewal every RetryPeriod, and one or two writes for every
//     shard that moves. It reads one Lease when a session has lapsed, and no more while
//     it can watch. It has two watches, and two more with crash detection. In a lasting
//     fault it backs off, and for a minute at most as long as Retry-After says.
//  11. Whatever is in the Leases causes no panic and no unbounded wait. Labels and
//     annotations of others end no term.
//
// # Not guaranteed
//
// What package elector does not guarantee for its Lease is not guaranteed for a session
// and its shards, either. An administrator who blanks the whole record of a shard
// releases it, though its holder works. One who deletes the Lease of a shard, or
// blanks only the holder in it, does not, as the others wait for LeaseDuration; if the
// holder cannot watch the set meanwhile it gives up its shards within RenewDeadline.
// But those that have not seen the record, such as a replica that cannot watch when it
// was written a moment ago, do not know whom to wait for. For them a deletion releases
// the shard, and a holder that cannot watch works on until its next list, for
// RenewDeadline at most. Nor do those that start after an administrator has put back an
// old record of a shard know that it is old. If it names a session that has ended, they
// take the shard while the work of its holder still ends.
//
// While replicas see different things, as when watches are late, a shard may move more
// often than necessary, or have no holder for up to LeaseDuration. A replica that
// should claim a shard and does not, for LeaseDuration, is passed over.
//
// A shard may come back to a process after another one has served it. Work must not
// rely on what it remembers of a shard from an earlier term, unless
// [elector.Term.Resumed] says that nobody has served it in between.
//
// # Crash detection
//
// With [elector.Config.CrashDetection] the session of a replica that crashes is ended
// when the kubelet has reported the end of its container, and Grace is over. What it
// needs and what it believes is in the comment of package elector. Two replicas watch
// the Pod of each: those whose Leases come before that of its session, by their names,
// the first after the last. One of them then releases the session in place of exactly
// the record that names the dead process, and says so by [CrashedAnnotation]. If the
// session was renewed after the end it must lapse. So it must where Pods may not be
// watched, which the log says at Info. Where those that watch have crashed, too, others
// take their place.
//
// Requests that the dead replica had sent may still be carried out. Grace is for them.
// It is not waited when CrashDetection.Fenced says that what is late is refused, as it
// is where every receiver compares the tokens of shards.
//
// # Another number of shards
//
// The number of shards is a part of the set: with another one, keys are in other
// shards. To change it, roll out replicas with the new number whose Callbacks have
// OnOtherCount. They wait, and the old ones share all shards until the last of them
// stops. Then the new ones get in at once, so that nothing is served for the time that
// the last one takes to stop. Without OnOtherCount, stop all old replicas first. Or use
// another LeaseName, if the work bears to be done twice meanwhile.
//
// # Leases, permissions, metrics
//
// The Leases are LeaseName-shard-N, and LeaseName-replica-X where X stands for the
// Identity. They are labelled with [SetLabel] and [CountLabel]. Sessions that replicas
// have left behind are deleted after an hour.
//
// A replica needs get, list, watch, create and update on Leases in its namespace, and
// should be allowed to delete them. Without watch it lists the set every few seconds.
// For crash detection: get and watch on Pods.
//
// [Shards.Collector] returns metrics. Alert when elector_shards_unowned_seconds is
// above two LeaseDurations on any replica: then a shard has no holder, and the objects
// in it are left alone.
package shards
