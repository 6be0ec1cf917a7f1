// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

// Chaos injects the faults of real clusters into real replica processes on a real kube-apiserver and etcd, row by row
// or at random, and judges what happens.
//
// Package scenario has the rows, and package fault the faults. A scenario is played on a stage, which package stage
// provides: a namespace with a Lease and replicas. A replica is this program again, as a process. Package replica runs
// an operator in it, with package manager's Manager or, to compare, with controller-runtime's own or client-go's
// LeaderElector. Its leader writes as fast as a busy operator, to a register outside the cluster with and without its
// token, and to the API server. Between each replica and the API server is a link, a TCP proxy that loses, delays,
// stalls and resets. Where a reply must be an exact one there is also a gateway, which ends TLS. Scenarios that kill
// the API server or etcd have a control plane of their own. Restarted, the servers have their data, ports and
// certificates.
//
// # Judging
//
// Everything that happens is noted with its time. Each scenario checks what its row demands, and package history checks
// its invariants, which also hold for the simulation, over the whole. All peers are judged alike, except for tokens,
// which only elector has.
//
// Scenarios are written for LeaseDuration 15 s, RenewDeadline 10 s and RetryPeriod 2 s. Most are played five times as
// fast. A bound is never widened. But a machine that is busy with other things is late by itself. One watchdog waits
// for milliseconds. Another writes to the API server, past all links, and waits for that by a watch, twice, as a
// hand-over does. The worst lateness they see while a scenario is played is reported beside every figure, and allowed
// on top of every bound. A scenario that does not pass while that is more than a RetryPeriod has shown nothing. It is
// played once more, and the report says so. This does not apply to safety, which no slowness excuses.
//
// # Results
//
// Package report writes a table for each run as text and JSON to bin/chaos, by peer. A scenario that does not pass
// leaves its evidence, which is the history and the logs of the replicas and of the control plane. history.txt has a
// line for each event: who led when, which faults there were, which writes were accepted or refused. A soak prints its
// seed. The same seed injects the same faults into the same replicas for as long, but what the machine does meanwhile
// is not repeated.
//
// On Linux a run that is killed takes all its processes with it.
package main
