// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

// Package history has the events that a simulated or a real election leaves, and the invariants that must hold over
// them. An invariant is a pure function of a [History] and its [Limits]. It does not know how the events came about.
//
// A harness records what it sees happen to processes, and not what it expects. The second process of replica b is
// "b#2". A process that is frozen or has been killed records nothing, and a write of the Lease is recorded where it was
// accepted. All times are of one clock.
package history
