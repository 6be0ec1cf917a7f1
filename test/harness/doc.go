// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

// Package harness has what programs need that test elections on real processes. A [ControlPlane] has servers that can
// be killed and started again, a [Link] is a network that can be cut, and a [Process] is this program again. [Ours],
// [ClientGo] and [ControllerRuntime] are the peers that can run in one, and a [Candidate] is what they are told about
// an election.
//
// Words mean the same in all of package test. A replica is what a Deployment would keep running. It is one process
// after the other. A fault is what a test does to a replica, to all of them or to the Lease. An event is what a process
// reports or the harness sees. A term is a time in which a process leads. A peer is one of the implementations that can
// run in a process.
package harness
