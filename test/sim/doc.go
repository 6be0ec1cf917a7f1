// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

// Package sim simulates replica sets that contend for one Lease, in the virtual time of testing/synctest: the real
// Elector on the real client-go, on leasetest's Lease API, with faults that a seed decides. What happens is recorded, and
// judged by the invariants of package history. The README says what is modelled, and how, and what is not.
//
// The runner is TestSeeds, as a bubble needs a testing.T; make sim calls it.
package sim
