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
// It answers as kube-apiserver does. The conformance suite in the package beside runs on both. In particular
//
//   - An update must name the resourceVersion it was made from. A stale or an invented one is a conflict, and so is the
//     UID of a Lease that has been deleted since. Of several writers one wins.
//   - Resource versions rise by one with every write to the server, over deletions too. An update that changes nothing
//     is not a write.
//   - Leases are validated and cleaned, and copied in and out. Times are kept to the microsecond.
//   - Leases travel as JSON. Bytes that are not UTF-8 become U+FFFD, a pointer to a zero time becomes nil, and a time
//     outside of the years 0 to 9999 is a bad request. A clientset that sends protobuf, as client-go's do by default,
//     can store all of these on a real server, and readers of JSON then fail or see something else.
//   - A watch begins with the present state (from "" and "0") or with the events after a version, and then delivers each
//     write, in order, without loss. It has selectors, bookmarks and a timeout, and expires with its history.
//   - Calls end with their contexts.
//
// Time comes from package time alone. Goroutines belong to open watches and end with them. So all of it works in
// testing/synctest bubbles. A call takes a microsecond or a few.
//
// # Faults
//
// Each [Client] is a network of its own. [Client.Partition], [Client.DropRequests], [Client.DropReplies],
// [Client.IgnoreContexts], [Client.Latency], [Client.DelayWatches] and [Client.Fail] last until [Client.Heal].
// [Client.StallWatches], [Client.CutWatches] and [Client.ExpireWatches] affect the watches that are open at the moment.
// [Client.Intercept] can do what these cannot, request by request. In a call, the request is first lost or delayed, then
// carried out or answered by an error, and then its reply is delayed or lost. A call whose request or reply is lost
// lasts until its context ends, or for ever without a deadline. Some calls in real programs outlast their contexts,
// which Fault.IgnoreContext simulates.
//
// A delayed request arrives even when its caller has given up meanwhile. That is how writes land late. A timer carries
// it out then, in no caller's goroutine. Fault.LostWithCaller does the opposite.
//
// # Containers that end
//
// For tests of crash detection the Server has Pods, too. [Server.RunContainer] plays a Pod with one container and the
// kubelet that runs it: give its Environment and TerminationLog to the candidate "in" it. [Container.Report] then
// writes into the Pod what a kubelet would about the container's end, truly ([TrueReports], [Exited]) or not
// ([FalseReports]). Clients read and watch Pods, and [Server.PutPod], [Server.EditPod] and [Server.DeletePod] write any
// others.
//
// # Beside fake.NewClientset
//
// The fake clientset of client-go accepts any resourceVersion and stores it as it comes, gives no UIDs, validates
// nothing and ignores contexts. Its watches ignore selectors and begin with the present state, whichever version they
// name. An election on it proves nothing. It does serve all kinds, while leasetest serves Leases, and Pods to be read.
//
// # What it does not do
//
// There is no other API group, no server-side apply, no dry run (all of which return an error) and no paging. There are
// no namespaces to create, and no quotas, authorization or priority and fairness. Give their answers with [Client.Fail]
// or [Client.Intercept], and those of admission with [Server.Admit]. Reads always return the newest state, also from
// "0". There is one server, not three, and it does not restart. managedFields are not kept. Garbage is not collected,
// so ownerReferences and propagation policies do nothing. A Client lacks what a clientset of client-go does by itself.
// It has no rate limiter, makes no further attempt after a Retry-After, and does not wrap errors as net/url does. The
// server never cuts off a watch that is not read.
package leasetest
