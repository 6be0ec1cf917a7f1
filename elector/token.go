// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"k8s.io/apimachinery/pkg/util/resourceversion"
)

// Token is a fencing token: the resourceVersion of the write that acquired the Lease. The tokens of one Lease name rise
// strictly from term to term, also when the Lease is deleted and created again, but not when etcd is restored from a
// backup without bumping its revision. Pass it along with every effect outside the cluster, and let the receiver refuse
// one lower than it has seen. It is "" when the election is not Enabled.
type Token string

// Compare returns -1, 0 or +1 as t was issued before, with or after other. It returns an error if either is not a
// resourceVersion, "" for instance.
func (t Token) Compare(other Token) (int, error) {
	return resourceversion.CompareResourceVersion(string(t), string(other))
}
