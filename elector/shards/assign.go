// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package shards

import (
	"cmp"
	"slices"
)

// nobody is the index of the member that a shard without one has.
const nobody = -1

// An order is the rendezvous order of some members for each of n shards. Members are given by their seeds, in an order
// that all replicas share.
type order struct {
	n       int
	members []uint64
	places  []place // the member's place for the shard, at shard*len(members)+member
}

// place is where a member stands in a shard's order.
type place struct {
	before int    // how many members come before
	score  uint64 // the higher the sooner
}

func newOrder(n int, members []uint64) *order {
	o := &order{n: n, members: members, places: make([]place, 0, n*len(members))}
	for shard := range n {
		all := o.places[len(o.places):cap(o.places)][:len(members)]
		for m, seed := range members {
			all[m].score = mix(seed ^ mix(uint64(shard)+1)) //nolint:gosec // not negative
		}
		for m := range all {
			for _, other := range all {
				if other.score > all[m].score {
					all[m].before++
				}
			}
		}
		o.places = o.places[:len(o.places)+len(members)]
	}
	return o
}

func (o *order) place(shard, m int) place { return o.places[shard*len(o.members)+m] }

// assign returns which member should have each shard; holders says who has it now. Each member gets ⌊N/R⌋ shards or one
// more, and as few as possible change hands. Members keep, and get, the shards that they come first for.
//
// Carrying out a part of an assignment does not change it: replicas that see each other's moves in any order agree on
// what is left to do.
func (o *order) assign(holders []int) []int {
	target := make([]int, o.n)
	for shard := range target {
		target[shard] = nobody
	}
	if len(o.members) == 0 {
		return target
	}
	held := make([][]int, len(o.members))
	for shard, m := range holders {
		if m != nobody {
			held[m] = append(held[m], shard)
		}
	}
	open := quotas(o.n, held)
	for m, shards := range held {
		if len(shards) > open[m] {
			o.sort(shards, m)
			shards = shards[:open[m]]
		}
		open[m] -= len(shards)
		for _, shard := range shards {
			target[shard] = m
		}
	}
	for shard, m := range target {
		if m == nobody {
			m = o.first(shard, open)
			open[m]--
			target[shard] = m
		}
	}
	return target
}

// sort puts those of a member's shards first that few others come before it for.
func (o *order) sort(shards []int, m int) {
	slices.SortFunc(shards, func(a, b int) int {
		p, q := o.place(a, m), o.place(b, m)
		return cmp.Or(cmp.Compare(p.before, q.before), cmp.Compare(q.score, p.score), cmp.Compare(a, b))
	})
}

// first returns the member that comes first for the shard among those that may still get one.
func (o *order) first(shard int, open []int) int {
	best := nobody
	for m := range o.members {
		if open[m] > 0 && (best == nobody || o.place(shard, m).score > o.place(shard, best).score) {
			best = m
		}
	}
	return best
}

// quotas returns how many shards each member should have. Those who have more than ⌊N/R⌋ keep the one more first, in
// the members' order: it would have to move otherwise.
func quotas(n int, held [][]int) []int {
	least, more := n/len(held), n%len(held)
	quota := make([]int, len(held))
	for m := range held {
		quota[m] = least
		if more > 0 && len(held[m]) > least {
			quota[m]++
			more--
		}
	}
	for m := range held {
		if more > 0 && quota[m] == least {
			quota[m]++
			more--
		}
	}
	return quota
}
