// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"math"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/utils/ptr"
)

// WriterAnnotation on the Lease says which process wrote its spec, and with
// which renewTime. client-go keeps annotations it does not know when it writes,
// so the nonce alone would not show that another process has rewritten the spec
// under the same Identity; the renewTime, which every writer changes, does.
const WriterAnnotation = "kube-elector.io/writer"

// author is this process as the writer of Leases: its Identity, and a nonce that
// no other process has.
type author struct{ identity, nonce string }

// signature is the WriterAnnotation's value for a spec of this renewTime.
func (a author) signature(renewed *metav1.MicroTime) string {
	return a.nonce + " " + renewed.UTC().Format(metav1.RFC3339Micro)
}

// holds reports whether the Lease names this very process as its holder, as it
// wrote it. Edits of labels and annotations by others do not change that.
func (a author) holds(lease *coordinationv1.Lease) bool {
	return holder(lease) == a.identity && lease.Spec.RenewTime != nil &&
		lease.Annotations[WriterAnnotation] == a.signature(lease.Spec.RenewTime)
}

// holder is the Lease's holder, "" if it was released or there is no Lease.
func holder(lease *coordinationv1.Lease) string {
	if lease == nil {
		return ""
	}
	return ptr.Deref(lease.Spec.HolderIdentity, "")
}

// inscribe puts the record client-go wants to see stored into the Lease and
// signs it, if it names a holder. What others wrote beside it stays: labels, annotations, and the
// spec's fields for coordinated election.
func (a author) inscribe(lease *coordinationv1.Lease, r resourcelock.LeaderElectionRecord) {
	spec := &lease.Spec
	spec.HolderIdentity = ptr.To(r.HolderIdentity)
	spec.LeaseDurationSeconds = ptr.To(int32(r.LeaseDurationSeconds)) //nolint:gosec // at most MaxLeaseDuration
	spec.AcquireTime = micro(r.AcquireTime.Time)
	spec.RenewTime = micro(r.RenewTime.Time)
	// A hand may have written the largest number there is; one more would be
	// refused by the API server for ever.
	spec.LeaseTransitions = ptr.To(int32(min(max(r.LeaderTransitions, 0), math.MaxInt32))) //nolint:gosec // bounded here
	if r.HolderIdentity == "" {
		delete(lease.Annotations, WriterAnnotation)
		return
	}
	metav1.SetMetaDataAnnotation(&lease.ObjectMeta, WriterAnnotation, a.signature(spec.RenewTime))
}

// micro is t as the Lease stores it, so that what was signed is what is read.
func micro(t time.Time) *metav1.MicroTime {
	return &metav1.MicroTime{Time: t.Truncate(time.Microsecond)}
}
