// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package shards

import (
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"k8s.io/utils/ptr"

	"github.com/kube-elector/elector/elector"
)

// Labels and annotations of the Leases of a set.
const (
	// SetLabel is on every Lease of a set. Its value is Config.LeaseName, shortened where that is no label's value.
	SetLabel = "kube-elector.io/shard-set"
	// CountLabel says how many shards the set has.
	CountLabel = "kube-elector.io/shard-count"
	// LeavingAnnotation is on the session of a replica that is giving back its shards, since it stops. Its value is the
	// session's acquireTime in microseconds.
	LeavingAnnotation = "kube-elector.io/leaving"
	// FitAnnotation is on the session of a replica that has long had fewer shards than it should, and says that it can
	// claim some. The others then count those again that they have passed over. Its value is a time in microseconds.
	FitAnnotation = "kube-elector.io/fit"
	// CrashedAnnotation is on the session of a replica that has crashed, and that another one has ended since the kubelet
	// has said so. Its value is that session's acquireTime in microseconds.
	CrashedAnnotation = "kube-elector.io/crashed"
)

// session names one session of a replica: its Lease, and the acquireTime in it, in microseconds. Every session of a
// Lease has another one.
type session struct {
	lease    string
	acquired int64 // 0: nobody holds the Lease
}

// names are the names of a set's Leases.
type names struct{ set string }

const (
	sessionInfix = "-replica-"
	shardInfix   = "-shard-"
	// longestSuffix is how much is appended to the set's name, at most.
	longestSuffix = len(sessionInfix) + 16
)

// session returns the name of a replica's Lease. Identities are no names: they may have any characters.
func (n names) session(identity string) string {
	return fmt.Sprintf("%s%s%016x", n.set, sessionInfix, hash(identity))
}

func (n names) shard(i int) string { return n.set + shardInfix + strconv.Itoa(i) }

// parse returns the shard that a Lease is for, -1 if it is a session. It reports false for other Leases.
func (n names) parse(name string) (shard int, ok bool) {
	if strings.HasPrefix(name, n.set+sessionInfix) {
		return -1, true
	}
	number, ok := strings.CutPrefix(name, n.set+shardInfix)
	if !ok {
		return 0, false
	}
	i, err := strconv.Atoi(number)
	return i, err == nil && i >= 0 && n.shard(i) == name
}

// label returns the SetLabel's value. It must not be longer than 63 bytes.
func (n names) label() string {
	if len(n.set) <= 63 {
		return n.set
	}
	return fmt.Sprintf("%s-%016x", strings.TrimRight(n.set[:40], "-."), hash(n.set))
}

// labels returns what each Lease of a set of n shards is labelled with, and the user's labels.
func (n names) labels(count int, users map[string]string) map[string]string {
	all := map[string]string{}
	maps.Copy(all, users)
	all[SetLabel], all[CountLabel] = n.label(), strconv.Itoa(count)
	return all
}

// count returns how many shards the Lease's set has as its label says, 0 if it does not say.
func count(lease *coordinationv1.Lease) int {
	n, err := strconv.Atoi(lease.Labels[CountLabel])
	if err != nil {
		return 0
	}
	return n
}

func holder(lease *coordinationv1.Lease) string { return ptr.Deref(lease.Spec.HolderIdentity, "") }

func micros(t *metav1.MicroTime) int64 {
	if t == nil {
		return 0
	}
	return t.UnixMicro()
}

// The record of a shard is a Lease that nobody renews:
//
//	holderIdentity        who has it
//	renewTime             the acquireTime of its holder's session
//	acquireTime           when it was claimed
//	leaseDurationSeconds  what its holder's session records
//	leaseTransitions      one more with every claim
//
// A released shard has none of them but the last. An administrator who blanks only the holder leaves the others, so
// that this can be told from a release.

// released reports whether the shard was released, or just created.
func released(lease *coordinationv1.Lease) bool {
	return holder(lease) == "" && lease.Spec.RenewTime == nil && lease.Spec.AcquireTime == nil
}

// owner returns the session that a shard's record names, the zero one if none.
func (n names) owner(lease *coordinationv1.Lease) session {
	if lease == nil || holder(lease) == "" || micros(lease.Spec.RenewTime) == 0 {
		return session{}
	}
	return session{n.session(holder(lease)), micros(lease.Spec.RenewTime)}
}

// sameRecord reports whether both are the same object with the same record.
func sameRecord(a, b *coordinationv1.Lease) bool {
	return a.UID == b.UID && holder(a) == holder(b) &&
		a.Spec.RenewTime.Equal(b.Spec.RenewTime) && a.Spec.AcquireTime.Equal(b.Spec.AcquireTime) &&
		ptr.Equal(a.Spec.LeaseTransitions, b.Spec.LeaseTransitions)
}

// duration returns how long a holder's record is left alone: what it says, if that is a sane one, or else our own.
func duration(lease *coordinationv1.Lease, own time.Duration) time.Duration {
	seconds := ptr.Deref(lease.Spec.LeaseDurationSeconds, 0)
	if seconds <= 0 {
		return own
	}
	return min(time.Duration(seconds)*time.Second, elector.MaxLeaseDuration)
}

// older reports whether version a is older than b. Versions that can't be compared are not.
func older(a, b string) bool {
	order, err := resourceversion.CompareResourceVersion(a, b)
	return err == nil && order < 0
}
