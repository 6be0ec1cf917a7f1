// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package shards

import "errors"

// Errors of this package, to be recognised with errors.Is. Why a shard's term ended, the cause of its context, is one
// of them or one of package elector.
var (
	// ErrCount is returned by [Shards.Start] when replicas of this set that count another number of shards are running:
	// one key would be in two shards.
	ErrCount = errors.New("replicas with another number of shards are running")
	// ErrGivenBack is the cause when another replica should have the shard.
	ErrGivenBack = errors.New("shard given back: another replica gets it")
	// ErrBlind is the cause when this replica could not read the set's Leases for RenewDeadline, so that somebody may have
	// deleted or edited the shard's.
	ErrBlind = errors.New("the set's Leases could not be read within RenewDeadline")
)
