// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	coordinationv1 "k8s.io/api/coordination/v1"
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

// tokenOf returns the token of the term that the write of this Lease has begun.
func tokenOf(claimed *coordinationv1.Lease) Token { return Token(claimed.ResourceVersion) }

// recordedToken returns the token of a signed record, "" if it is not known.
func recordedToken(l *coordinationv1.Lease) Token {
	text, ok := l.Annotations[LeaderTokenAnnotation]
	if !ok {
		return ""
	}
	version, token := Token(l.ResourceVersion), Token(text)
	if token == "" {
		return version // of the claim, which is not renewed yet
	}
	// A higher one is from another cluster, whose Lease was copied to this one.
	if order, err := token.Compare(version); err != nil || order > 0 {
		return ""
	}
	return token
}
