// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

// Package lease is what an Elector knows of its one Lease, and how it asks for it. A [Client] makes bounded requests, a
// [View] keeps the newest [Observation] of all replies, and a [Watcher] adds what one watch delivers. Times are read
// from both clocks of the machine, as a [Moment].
//
// The package knows records, and which of them this process wrote. It knows nothing of terms, callbacks and logs. What
// an Elector needs to hear, it says to the functions of [Config].
package lease
