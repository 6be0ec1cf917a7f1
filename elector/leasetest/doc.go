// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

// Package leasetest is a Lease API in memory, for unit tests and simulations of leader election. Its clients are
// kubernetes.Interfaces with faults that a test sets:
//
//	server := leasetest.NewServer()
//	a, b := server.Client("a"), server.Client("b") // one per replica
//	…                                              // start an elector on each
//	a.Partition()                                  // and see b take over
//
// # What it does
//
// It answers as kube-apiserver does: the conformance suite in the package beside runs on both. In particular
//
//   - An update must name the resourceVersion it was made from, else it is refused, and a stale or an invented
//     one is a conflict; so is the UID of a Lease that has been deleted since. Of several writers one wins.
//   - Resource versions rise by one with every write to the server, over deletions too. An update that changes
//     nothing is not a write.
//   - Leases are validated, cleaned, copied in and out; times are kept to the microsecond.
//   - Leases travel as JSON. Bytes that are not UTF-8 become U+FFFD, a pointer to a zero time becomes nil, and a time
//     outside of the years 0 to 9999 is a bad request. A clientset that sends protobuf, as client-go's do by default,
//     can store all of these on a real server, and readers of JSON then fail or see something else.
//   - A watch begins with the present state (from "" and "0") or with the events after a version, then tells of
//     each write, in order, without loss. It has selectors, bookmarks, a timeout, and expires with its history.
//   - Calls end with their contexts.
//
// Time is only ever taken from package time, and goroutines belong to open watches alone and end with them, so
// all of it works in testing/synctest bubbles. A call takes a microsecond or a few.
//
// # Faults
//
// Each Client is a network of its own. Partition, DropRequests, DropReplies, IgnoreContexts, Latency, DelayWatches
// and Fail last until Heal; StallWatches, CutWatches and ExpireWatches are for the watches open at the moment.
// Whatever these cannot say, Intercept can, request by request. The order in a call is: the request is lost or
// delayed, then carried out or answered by an error, then its reply is delayed or lost. A call whose request or
// reply is lost lasts until its context ends; without a deadline, for ever. Some calls in real programs outlast
// their contexts: see Fault.IgnoreContext.
//
// A delayed request arrives even when its caller has given up meanwhile: that is how writes land late. It is
// carried out by a timer then, in nobody's call. See Fault.LostWithCaller for the other way.
//
// # Beside fake.NewClientset
//
// The fake clientset of client-go accepts any resourceVersion and stores it as it comes, gives no UIDs, validates
// nothing and ignores contexts; its watches ignore selectors and begin with the present state, whichever version
// they name. An election on it proves nothing. It does serve all kinds; leasetest serves Leases alone.
//
// # What it does not do
//
// There is no other API group (an error says so), no server-side apply, no dry run (errors, too), and no paging.
// There are no namespaces to create, and no quotas, authorization or priority and fairness: give their answers by
// Fail or Intercept, and those of admission by Server.Admit. Reads are always of the newest state, also from "0".
// There is one server, not three, and it does not restart. managedFields are not kept. Garbage is not collected,
// so ownerReferences and propagation policies do nothing. A Client does not do by itself what a clientset of
// client-go does: no rate limiter, no further attempt after a Retry-After, no errors in the wrapping of net/url.
// A watch that is not read is never cut off by the server.
package leasetest
