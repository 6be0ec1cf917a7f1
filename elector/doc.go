// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

// Package elector elects a leader among the replicas of a program that runs on Kubernetes, by a Lease. It runs
// client-go's LeaderElector and puts around it what that leaves open: a standby that waits for the Lease instead of
// polling it, a leader that knows until when it leads, and an orderly end.
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
// The main function should exit when Start has returned. Everything in the package may be used concurrently. For a
// logr.Logger l, give New the logger slog.New(logr.ToSlogHandler(l)).
//
// # Guarantees
//
//  1. At most one valid term at a time, as long as no clock runs faster than
//     another by more than LeaseDuration/RenewDeadline (1.5 at the defaults) and
//     the work stops within LeaseDuration−RenewDeadline (5 s) of its context's
//     end.
//  2. The term ends RenewDeadline after the sending of the last acknowledged
//     renewal at the latest, whatever the API server, the network or a slow reply
//     does. It ends at once when the watch, a read or a reply shows another
//     holder, another object of that name, or none. The first of these ends comes
//     1 % of RenewDeadline early, 50 ms at most, because the timer that cancels
//     the context may be late on a busy machine. The cause (context.Cause) of the
//     context's end says why.
//  3. IsLeader, Remaining and Term tell the truth at the instant of the call, by
//     the clocks, however late the timer is. A process that was stopped for too
//     long and continues is told by its next call that it does not lead.
//  4. Callbacks come in pairs and in order: OnStartedLeading, its return,
//     OnStoppedLeading. There is no OnStoppedLeading without the former, and no
//     two terms of one process overlap. OnNewLeader comes one call at a time, in
//     order, never with "".
//  5. The Lease is released only after the leader's work has returned and all
//     holds ([Term.Hold]) are given back, only by its holder, and is renewed
//     until then. If that takes longer than DrainTimeout the Lease is not
//     released, and Start returns [ErrDrainTimeout]. A claim whose work never ran
//     is released, too. If the Lease stays in this replica's name although its
//     release was asked for, that is an error, [ErrNotReleased].
//  6. Losing the leadership does not end the candidate, which stands by again,
//     unless the work goes on: Start then returns [ErrDrainTimeout] before another
//     replica can lead, LeaseDuration−RenewDeadline after the context's end, so
//     that the process can exit.
//  7. Tokens rise strictly over all terms of a Lease name, also when the Lease
//     is deleted and created again.
//  8. Two processes with one Identity are found out and never lead together. A
//     process restarted under its old Identity waits for its old record to lapse
//     like anybody else, or for the proof of its predecessor's end (see Crash
//     detection). A process knows its record by its own writes, so a clone
//     of it is found out by the first write of either. Until then a clone made
//     while it leads takes itself for the leader, too.
//  9. A healthy standby costs one watch, two with crash detection, and does not poll. A watch that dies, or
//     whose events a proxy holds back, is noticed within two RetryPeriods. While it
//     cannot watch, a standby reads, at the rate that is said under Load. A claim is
//     a compare-and-swap.
//  10. Whatever somebody writes into the Lease causes no panic and no unbounded
//     wait. A recorded duration above MaxLeaseDuration counts only if the holder
//     was seen to renew, for a day at most, or if it is a day at most and the
//     renewTime lies within it. A leader whose record another process has rewritten stops and does not
//     overwrite it. Edits of labels and annotations change no term and are kept.
//  11. Bad configuration is refused by New, all of it in one error that names
//     field, value and rule.
//  12. On a clientset from [NewClientset] the lease traffic shares no rate limit
//     and no connection with other traffic, and a dead connection costs one
//     attempt, not the leadership: one lost renewal leaves time for another. A
//     request that ignores its context holds up neither the end of a term nor
//     Start's return, which comes within DrainTimeout and a second of its context's
//     end. When Start of the last Elector that uses the clientset
//     returns, its connections are closed.
//
// # Not guaranteed
//
// A lease cannot stop a process that was frozen between its last look and its write. Pass the Token along with effects
// outside the cluster, let the receiver refuse a lower one, and check Remaining before a request, bounding it by that.
//
// Work that ignores its cancelled context may run beside another leader's if the process does not exit when Start
// returns [ErrDrainTimeout], or if it was frozen.
//
// IsLeader, Remaining and Term promise nothing about the next instant. Work outside OnStartedLeading that relies on
// them needs a [Term.Hold], or a voluntary end hands the Lease over beside it. Nobody waits for such work after a lost
// term, so bound it by [Term.Remaining].
//
// If the reply to a write of ours was lost, and before we see the record somebody else leads and an administrator puts
// a copy of it back, we take it for ours.
//
// A candidate that starts when there is no Lease, or finds it blanked, takes it for free. An administrator who blanks
// the Lease of a leader that cannot reach the API server, or deletes it before a candidate starts, voids guarantee 1
// for up to RenewDeadline. Candidates that saw the leader's record wait for its time when the Lease is deleted, or
// replaced by another record, and an edit of the duration does not shorten their wait.
//
// A renewal writes the holder, the duration and the times again. An edit of these lasts until then, and so does one of
// the Elector's own annotations and of Config.Annotations. It keeps leaseTransitions, the fields for coordinated
// election, labels and other annotations. Config.Labels are written at the election.
//
// A candidate that was cut off for long, and then finds the very record of another holder that it saw before, put back
// by an administrator, cannot know that it is new. It may claim at once.
//
// After etcd was restored from a backup tokens may repeat, unless its revision was bumped.
//
// # Clocks
//
// No two machines' clocks are compared, and the times in the Lease are for people. A leader counts from before it sent
// a renewal, by the monotonic or the wall clock, whichever says more: after a suspension, when the monotonic clock
// stood still, it does not lead. A wall clock set ahead by more than RenewDeadline ends a term; one set back does
// nothing. A standby counts from when it saw the Lease change, by the monotonic clock. It waits the duration that the
// holder recorded, which may differ from its own.
//
// # The end of a term
//
// A term ends voluntarily when Start's context is cancelled or StepDown is called. Then the term's context is
// cancelled, OnStartedLeading returns, IsLeader turns false, OnStoppedLeading returns, holds are given back, renewing
// ends, the Lease is released. It ends involuntarily when the Lease was lost or not renewed in time: IsLeader is false
// at once, the context is cancelled, OnStartedLeading and OnStoppedLeading return, and nothing is written, unless
// StepDown or the end of Start's context asks for a release meanwhile. Either way a candidate that was not stopped
// stands by again.
//
// All this may take DrainTimeout, counted from the end of the term's context. From a loss on it may take
// LeaseDuration−RenewDeadline at most. A callback that is still running a second after the context's end is logged. If
// it is running when the time is up, Start returns [ErrDrainTimeout] with its name and waits for nothing else.
//
// When Start's context is cancelled Start returns by DrainTimeout after that, or one short attempt later: the release
// is tried until then, for as long as the Lease is held, and a claim that is under way is waited for. Requests that
// ignore their contexts and an OnNewLeader that hangs are not waited for any longer ([ErrRequestHung],
// [ErrOnNewLeaderHung]).
//
// A term that follows a lost one has [Term.Resumed] set if its claim replaced this process's own record, so that nobody
// led in between.
//
// # From client-go
//
// LeaseDuration, RenewDeadline, RetryPeriod, ReleaseOnCancel and the callbacks have the same names here, and
// [Config.BindFlags] adds the flags of Kubernetes' components. These differ:
//
//   - Config.Enabled must be set.
//   - OnStartedLeading must return when its context ends, also after a lost term.
//   - OnStoppedLeading is no kill switch. It comes after OnStartedLeading has
//     returned, and before the Lease is released. The os.Exit of client-go's
//     example would leave the Lease held, so that the next leader waits for
//     LeaseDuration. Leave it out, and exit by returning from main when Start has
//     returned.
//   - A process that must not lead twice calls the cancel function of Start's
//     context in OnStoppedLeading. client-go's RunOrDie returns after one term, Start
//     does not.
//   - OnStoppedLeading is not called without an OnStartedLeading before it.
//   - A restarted process with a fixed Identity waits for its own old record to lapse.
//
// client-go's example then reads, with the names that were in its LeaseLock in the Config (the example of [New] for
// client-go runs, and examples/over/clientgo has all of it as a diff):
//
//	config := elector.Config{Enabled: true, LeaseName: name, LeaseNamespace: namespace, Identity: id, ReleaseOnCancel: true}
//	clientset, err := elector.NewClientset(cfg, config)
//	if err != nil {
//		return err
//	}
//	e, err := elector.New(&config, clientset, elector.Callbacks{
//		OnStartedLeading: run, // returns when its context ends
//		OnNewLeader:      func(identity string) { klog.Infof("new leader: %s", identity) },
//	}, slog.Default())
//	if err != nil {
//		return err
//	}
//	return e.Start(ctx) // and main exits
//
// # Logging, metrics, Events
//
// Each beginning and end of a term is one line at Info, or at Warn if the term was lost or the Lease was not released.
// What cannot be done is one line at Warn when it begins or its reason changes, one each ten minutes while it lasts,
// and one at Info when it is over. client-go logs through the same logger, at Debug at most. The work's context keeps
// the logger that Start's context carries.
//
// [Elector.Collector] gives Prometheus metrics, among them failed renewals and claims, the time since the API server
// was last heard, and whether this replica could lead. There are alert rules in examples/operator. client-go's own
// metric leader_election_master_status stays true.
//
// With Config.EventRecorder set, beginnings and ends of terms are recorded as Events on the Lease. Their reason is
// LeaderElection and their notes begin as client-go's do ("x became leader", "x stopped leading"). A lost term is a
// Warning, and so is a duplicate Identity, with the reason DuplicateIdentity.
//
// # What the Lease tells
//
// The leader writes annotations with its claim and its renewals, which cost no request: [Config.Annotations], its
// token, and why the term before ended ([LastTerm]), which is still there when Events have gone. [Elector.Leader] says
// what a follower knows of the leader, and [ReadLease] what any Lease says. No Elector depends on an annotation. Where
// something removes them all, followers know no token, and nobody can ask the leader to step down by one
// ([StepDownAnnotation]).
//
// # Crash detection
//
// A leader that crashes costs LeaseDuration, since nothing shows that it is dead and not merely cut off. The kubelet
// knows better: about a second after a container has ended, the Pod says so. With [Config.CrashDetection] set, another
// candidate believes that, and leads after [CrashDetection].Grace. It finds every end without a release: SIGKILL, the
// memory limit, a panic, os.Exit. So does a process whose container was started again, which finds the end of its
// predecessor in its own Pod.
//
// A Pod says many things about its containers, and most of them are also said while the process lives. So the leader
// ties itself to its container: it writes a random text, which nobody else knows, into the container's termination log,
// and names its Pod and that text on the Lease ([ContainerAnnotation]). A standby watches that one Pod. It believes
// that the process is dead if
//   - the Pod has the recorded UID, and shares no PID namespace with the node or among its containers,
//   - a container of it has ended with exactly that text as its message, and
//   - exit code and reason are of those that the runtime has seen for itself: 0 to 254 but not 128, and Completed,
//     Error or OOMKilled, from containerd or CRI-O.
//
// Everything else proves nothing: a phase, a condition, a deletion, the absence of the Pod, a lost node, and exit codes
// that a runtime invents when it has lost sight of a container. Then the Lease must lapse as ever. So it must if the
// leader seems to live on, since a renewal that is seen after the report is of a later second than finishedAt in it
// (the clock of its node sets both), or if the Lease has been edited so that the record before may be a living
// leader's. The claim is a compare-and-swap on the record of the dead process.
//
// It needs POD_NAME, POD_NAMESPACE and POD_UID in the environment (fieldRef metadata.name, metadata.namespace and
// metadata.uid), a process that is PID 1 of its container's own PID namespace or a descendant of that, a termination
// log that nothing else writes to, and the permissions to get and watch Pods. Where something is missing, the log says
// so in one line at Info, and a crash costs LeaseDuration. The rule is from trials on containerd 1.6 and 2.2 with runc
// and cgroup v1, in which processes were killed and runtimes made to lose living ones. It was not tried on gVisor and
// Kata. test/node/RESULTS.md has what was measured on a real kubelet.
//
// A dead process is not a dead request. What it had sent may still be on its way, and LeaseDuration−RenewDeadline
// covers that after other ends. That time is the default Grace. Without it a late write can land beside the next
// leader's: where every receiver refuses a lower [Token], that does no harm, and Grace can be negative.
//
// Package shards does the same for the shards of any replica, see there.
//
// # Load
//
// A healthy leader sends one request per RetryPeriod and a healthy standby none, but for a new watch every 30 to 60
// minutes. Failures are tried again quickly at first and ever more slowly, so for as long as a fault lasts
//   - a standby sends one request per 1.75 RetryPeriods and one per S (19 a minute at
//     the defaults), where S is 15 RetryPeriods, but 30s at most and 3.5
//     RetryPeriods at least;
//   - while no connection can be made, a candidate tries twice per RetryPeriod, so that it
//     leads within half of one after the API server is back. That needs refused connections: a
//     request into a network that swallows packets may hang for half of RenewDeadline, and the
//     candidate leads only then (up to 5 s after the network is back, at the defaults);
//   - a standby that is permitted nothing sends two per S (4 a minute);
//   - a leader sends its renewals and one more per S (32 a minute);
//   - a standby does not repeat a request before its Retry-After has passed, a
//     minute at most. A leader must;
//   - with crash detection a standby that cannot watch the leader's Pod sends one more per S.
//
// After the fault things are as before within S, and once the watch has delivered something again within a RetryPeriod.
// A standby that cannot watch sees a released Lease within 1.2 RetryPeriods for its first 20 reads, then within 1.75.
// Terms that end at once, again and again, begin S apart, and never less than 30s.
//
// # Permissions
//
// On the one Lease by name: get, update, watch. Without watch a replica takes over more slowly. In the namespace:
// create leases, unless the Lease is there already; create cannot be limited by name. For crash detection, in the
// namespace of the replicas: get and watch pods. Their names are not known before.
package elector
