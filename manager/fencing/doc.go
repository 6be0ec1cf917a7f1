// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

// Package fencing makes the API server reject writes from a former leader. A process that was frozen past its lease, or
// a write that was already under way, cannot be held back on its own side. It can be stopped only where the write
// arrives. The means are ValidatingAdmissionPolicies of Kubernetes 1.30 or later, which this package generates. There
// is no webhook, and nothing else to run.
//
//	mgr, err := manager.New(cfg, options, manager.WithFencing(fencing.Settings{…}))
//
// # What each policy promises
//
//  1. Holder: of the operator's pods only the one that the Lease names writes the fenced resources. It
//     creates, updates and deletes; all others are refused. Each API server hears of a new holder some
//     milliseconds after the Lease was written. Until then it accepts writes of the old holder and
//     refuses those of the new one. A fenced client repeats its write meanwhile.
//  2. Epoch: an object is never updated with a token lower than the one in it. This is exact, because
//     the API server compares them within the update's own compare-and-swap: once a later leader has
//     written the object, no write of an earlier one is accepted. Until then it is. [Touch], called at
//     the beginning of a term, makes that time short.
//  3. Guard: of the operator's pods only the holder of the Lease releases it, none makes another pod the
//     holder, and each takeover raises leaseTransitions. This is exact, too. It refuses the mistake in
//     client-go by which an ex-leader blanks its successor's Lease.
//
// They complement one another. Holder needs no help from the writer and covers CREATE and DELETE. Epoch has no window.
// All three is the default.
//
// # What none of them promises
//
//   - They do not see effects outside the cluster. Pass the term's Token along, and let the receiver
//     refuse one that is lower than the highest it has seen.
//   - Holder has its window. Do not count on its length.
//   - Holder and Guard cannot tell two processes apart that run in one pod instance and have the same
//     name and UID: a container that was restarted while the old process lived on, as containerd 2.2 does
//     after its shim was killed. The Elector's own record and Epoch can tell them apart.
//   - Epoch does not see CREATE and DELETE, nor an object's first write with a token. It compares what
//     the writer stamped: a patch without the token keeps the object's token, and passes.
//   - Subresources other than status do not carry the object's annotations: Epoch accepts every write of
//     a Scale, for example. The status of a custom resource needs [Settings.StatusToken]. That of a few
//     built-in types, such as ResourceClaim, cannot carry a token at all.
//   - While the Lease does not exist, Holder accepts all writes: see [Settings.DenyWithoutLease].
//   - After etcd was restored from a backup, tokens may be lower than before, and Epoch refuses the
//     rightful leader, unless etcd's revision was bumped (etcdutl snapshot restore --bump-revision).
//   - Epoch needs Leases and fenced objects in the same etcd. With --etcd-servers-overrides for one of
//     them their versions cannot be compared, and it may ignore true tokens.
//   - Anyone who uses the operator's ServiceAccount without a pod's token, for example by impersonation, is
//     refused by Holder as well. Anyone who may change policies, Leases or annotations under another
//     name is not.
//
// # Tokens from elsewhere
//
// An object may have a token that no leader of this cluster wrote: it was restored from a backup or moved from another
// cluster, or a person edited the annotation. Epoch ignores what is not a resourceVersion, and any token at or above
// the resourceVersion of the object that has it, because a leader's token is older than whatever the leader writes. One
// kind cannot be told from a true token: one that lies above the leader's own and below the object's version. Then the
// leader's writes of that object are refused until its next term. Remove the annotation, or call Elector.StepDown.
//
// # Stamping
//
// manager.WithFencing stamps the fenced types in the writes of the Manager's client; for other clients see
// manager.StampingEpoch. All field owners of an object then apply the same annotation. In a new term an apply conflicts
// with the owners that still have the old one, so the client first takes the annotation from them, by a patch of
// nothing else, and applies again.
//
// # Whom they hinder
//
// Only the operator's ServiceAccount. People, other operators, garbage collection and the namespace controller write as
// before, the Lease too. What the operator's pods write whether they lead or not must be exempted by its field manager
// ([Settings.Exempt]), must not be among the fenced Resources, or must be written under another ServiceAccount. Events
// and Leases are never fenced.
//
// # What they cost
//
// A fenced write took 0.3 ms longer with Holder, as much with Epoch and 0.5 ms with all (medians of 3,000 pairs, on a
// busy machine of two cores). The policies ask nothing over the network. Of other users' writes they look at the user's
// name alone.
//
// # What must fit together
//
// The Identity in the Lease must name the pod whose token is used. The pod's spec sets POD_NAME and POD_UID by fieldRef
// to metadata.name and metadata.uid, and [Identity] reads them. The token must be bound to the pod, as are those that
// the kubelet mounts (since Kubernetes 1.22). [Check], which a Manager calls at its start, finds what does not fit.
//
// # Installing, upgrading, removing
//
// The objects are applied by anyone with the permissions: with kubectl from [YAML], by [Install], or by the Manager.
// They are in force a second later, on each API server. Names and bindings are fixed, so kustomize must not prefix
// them.
//
// To fence an operator that already runs, first roll out the version with WithFencing, because Holder refuses a leader
// whose Identity does not name its pod. A Manager with the permissions compares the policies at the beginning of each
// term with what they should be, and installs them if anything differs: edits do not outlast the next election. Changed
// settings are applied over the old ones, without a moment in which none are in force. To go back to a version without
// WithFencing, call [Uninstall] first. Install leaves policies that the Settings no longer name.
//
// Uninstall (or kubectl delete) leaves the keeper, a policy and a binding that match nothing and cost nothing: see
// [KeeperName] for what happens without it.
package fencing
