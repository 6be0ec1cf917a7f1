// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

// Package sim simulates replica sets that contend for one Lease, in the virtual time of testing/synctest. It runs the
// real Elector on the real client-go and on leasetest's Lease API, with faults that a seed decides. It records what
// happens, and the invariants of package history judge that. The README explains what is modelled, how, and what is
// not.
//
// The runner is TestSeeds, since a bubble needs a testing.T. Run it with make sim.
package sim
