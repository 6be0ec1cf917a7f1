// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

// Package fencing has the API server refuse what a leader of the past still
// writes. A process that was frozen past its lease, or a write of it that was
// under way, cannot be held back on its own side: only where the write arrives.
// The means are ValidatingAdmissionPolicies of Kubernetes 1.30 or later, which
// this package makes; there is no webhook and nothing else to run.
//
//	mgr, err := manager.New(cfg, options, manager.WithFencing(fencing.Settings{…}, &appsv1.Deployment{}))
//
// # What each policy promises
//
//  1. Holder: of the operator's pods only the one that the Lease names writes
//     the guarded resources. It creates, updates and deletes; all others are
//     refused. The API server hears of a new holder a little after the Lease was
//     written (milliseconds; each API server by itself), and until then lets
//     writes of the old one pass, and refuses the new one's. A fenced client
//     tries again meanwhile.
//  2. Epoch: an object is never updated with a token lower than the one in it.
//     That is exact, as the API server makes the comparison within the update's
//     own compare-and-swap: not one write of the past is accepted once a later
//     leader has written the object. Until then, it is: Touch, at the beginning
//     of a term, makes that time short.
//  3. Guard: of the operator's pods only the holder of the Lease releases it,
//     none makes another than itself the holder, and each takeover raises
//     leaseTransitions. Exact too. It refuses the mistake in client-go by which
//     an ex-leader blanks its successor's Lease.
//
// They complete one another: Holder needs no help of the writer and knows
// CREATE and DELETE; Epoch has no window. All three is the default.
//
// # What none of them promises
//
//   - Effects outside the cluster are not seen. Pass the term's Token along, and
//     let the receiver refuse one that is lower than it has seen.
//   - Holder has its window. Do not count on its length.
//   - Epoch does not see CREATE and DELETE, nor an object's first write with a
//     token. It compares what the writer stamped: a patch without the token
//     keeps the object's, and passes. manager.Stamping stamps all types it is
//     given. Subresources other than status do not carry annotations; the status
//     of a custom resource has Settings.StatusToken.
//   - While there is no Lease, Holder lets everything pass: see
//     Settings.DenyWithoutLease.
//   - After etcd was restored from a backup, tokens may be lower than before,
//     and Epoch refuses the rightful leader, unless etcd's revision was bumped
//     (etcdutl snapshot restore --bump-revision).
//   - Whoever has the operator's ServiceAccount and is not a pod with its token,
//     such as by impersonation, is refused by Holder as well; whoever may change
//     policies, Leases or annotations under another name is not.
//
// # Whom they hinder
//
// Only the operator's ServiceAccount: people, other operators, garbage
// collection and the namespace controller write as ever, the Lease too. What
// the operator's pods write whether they lead or not is exempted by its field
// manager (Settings.Exempt), or is not among the guarded Resources, or done
// under another ServiceAccount. Events and Leases are never guarded.
//
// # What they cost
//
// A guarded write took 0.3 ms longer with Holder, as much with Epoch and 0.5 ms
// with all (medians of 3,000 pairs, on a busy machine of two cores); nothing is
// asked over the network. Writes of others are looked at as far as their user's
// name.
//
// # What must fit together
//
// The Identity in the Lease must name the pod whose token is used: the pod's
// spec sets POD_NAME and POD_UID by fieldRef to metadata.name and metadata.uid,
// and Identity reads them. The token must be bound to the pod, as those are
// that the kubelet mounts (since Kubernetes 1.22). Check, which a Manager calls
// at its start, finds what does not fit.
//
// # Installing, upgrading, removing
//
// Objects are applied by whoever may: with kubectl from YAML, by Install, or by
// the Manager. They are in force a second later, on each API server. Names and
// bindings are fixed: kustomize must not give them a prefix.
//
// The order, where an operator is to be fenced that already runs: first roll
// out the version with WithFencing, as a leader whose Identity does not name its
// pod is refused by Holder; a Manager that may, installs the policies when it is
// elected. Changed settings are applied over the old ones, with no moment in
// which none are in force. Back to a version without WithFencing: Uninstall
// first. Of policies that Settings no longer name, Install leaves what is there.
//
// Uninstall (or kubectl delete) leaves the keeper, a policy and a binding that
// match nothing: see KeeperName for what happens without it. They cost nothing.
package fencing
