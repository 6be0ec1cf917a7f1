// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

// Package harness has what programs need that test elections on real processes: a control plane whose servers can be
// killed and started again ([ControlPlane]), a network that can be cut ([Link]), replicas that are processes of their own
// ([Process]), and the peers that elector is compared with ([ClientGo], [ControllerRuntime]).
//
// Words mean the same in all of package test. A replica is what a Deployment would keep running. It is one process after
// the other. A fault is what a test does to a replica, to all of them or to the Lease. An event is what a process reports
// or the harness sees. A term is a time in which a process leads. A peer is one of the implementations that can run in a
// process.
package harness
