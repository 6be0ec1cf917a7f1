// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"regexp"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/kube-elector/elector/elector"
	"github.com/kube-elector/elector/elector/shards"
)

// A kind is what a Lease is used for, or by what.
type kind string

const (
	ofElector   kind = "elector"   // an Elector leads, or has led
	ofSession   kind = "replica"   // of an operator with shards
	ofShard     kind = "shard"     // nobody renews it: it lasts as long as its holder's session
	ofOther     kind = "other"     // client-go's or another election
	ofNode      kind = "node"      // a kubelet's heartbeat
	ofAPIServer kind = "apiserver" // an API server's heartbeat
)

// heartbeat reports whether Leases of the kind are no elections.
func (k kind) heartbeat() bool { return k == ofNode || k == ofAPIServer }

var shardName = regexp.MustCompile(`-shard-\d+$`)

func kindOf(lease *coordinationv1.Lease, record elector.Record) kind {
	owned := func(kind string) bool {
		for _, owner := range lease.OwnerReferences {
			if owner.Kind == kind && owner.APIVersion == "v1" {
				return true
			}
		}
		return false
	}
	_, inSet := lease.Labels[shards.SetLabel]
	_, written := lease.Annotations[elector.WriterAnnotation]
	switch {
	case lease.Namespace == corev1.NamespaceNodeLease, owned("Node"):
		return ofNode
	case lease.Labels["apiserver.kubernetes.io/identity"] != "":
		return ofAPIServer
	case inSet && shardName.MatchString(lease.Name):
		return ofShard
	case inSet:
		return ofSession
	case record.Elector, written, record.LastTerm != nil:
		return ofElector
	}
	return ofOther
}

// words says what a kind is.
func (k kind) words() string {
	switch k {
	case ofElector:
		return "of an elector"
	case ofSession:
		return "of a replica with shards, which holds it for as long as it lives"
	case ofShard:
		return "of a shard, which is held as long as its holder's Lease"
	case ofNode:
		return "heartbeat of a node, not an election"
	case ofAPIServer:
		return "heartbeat of an API server, not an election"
	}
	return "of another program, such as client-go: tokens and ends of terms are not known"
}
