// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

// Chaos injects the faults of real clusters into real replica processes on a real kube-apiserver and etcd, row by row or
// drawn at random, and judges what happens.
//
// A scenario is played on a stage: a namespace with a Lease and replicas. A replica is this program again, as a process:
// an operator with package manager's Manager or, to compare, with controller-runtime's own or client-go's LeaderElector.
// Its leader writes as fast as a busy operator: to a register outside the cluster, without a token and with it; and to
// the API server. Between each replica and the API server is a link, a TCP proxy that loses, delays, stalls and resets;
// and where a reply must be an exact one a gateway, which ends TLS. A control plane of its own is started for scenarios
// that kill the API server or etcd: restarted, they have their data, ports and certificates.
//
// # Judging
//
// All that happens is noted with its time. Each scenario looks for what must be in its row, and package history's
// invariants, which the simulation is held to as well, must hold over the whole. All peers are judged alike, but for
// tokens, which only elector has.
//
// Scenarios are thought of at LeaseDuration 15 s, RenewDeadline 10 s and RetryPeriod 2 s; most are played five times as
// fast. A bound is never widened. But a machine that is busy with other things is late by itself: one watchdog waits for
// milliseconds, another writes to the API server, past all links, and awaits that by a watch, twice, as a hand-over does.
// The worst lateness they see while a scenario is played is reported beside every figure, and allowed on top of every
// bound. If a scenario does not pass while that is more than a RetryPeriod it has shown nothing, and is played once more,
// which the report says; but not if it is about safety, which no slowness excuses.
//
// # Results
//
// For each run there is a table as text, Markdown and JSON in bin/chaos, by peer, and for each scenario a timeline, an
// HTML page: who led when, which faults there were, which writes were accepted or refused. What has not passed leaves its
// evidence: the history, the replicas' logs and the control plane's. A soak prints its seed, by which the same faults
// befall the same replicas for as long; what the machine does meanwhile is not repeated.
//
// On Linux a run that is killed takes all its processes with it.
package main
