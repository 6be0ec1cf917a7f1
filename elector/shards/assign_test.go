// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package shards

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// counts returns how many shards each of r members has.
func counts(r int, holders []int) []int {
	c := make([]int, r)
	for _, m := range holders {
		if m != nobody {
			c[m]++
		}
	}
	return c
}

func assign(members []uint64, holders []int) []int {
	return newOrder(len(holders), members).assign(holders)
}

// fewest returns how few shards must be given to somebody else, or to somebody, until each of r members has ⌊N/R⌋ or
// one more. It tries all that matters: the members with most shards get the one more.
func fewest(r int, holders []int) int {
	c := counts(r, holders)
	slices.SortFunc(c, func(a, b int) int { return b - a })
	stay := 0
	for i, have := range c {
		quota := len(holders) / r
		if i < len(holders)%r {
			quota++
		}
		stay += min(have, quota)
	}
	return len(holders) - stay
}

// situation returns members and holders as they come after some changes.
func situation(random *rand.Rand) (members []uint64, holders []int) {
	r, n := 1+random.IntN(7), 1+random.IntN(70)
	for range r {
		members = append(members, random.Uint64())
	}
	for range n {
		holders = append(holders, random.IntN(r+1)-1)
	}
	if random.IntN(3) == 0 { // as after a join: one has none
		for i := range holders {
			holders[i] = min(holders[i], r-2)
		}
	}
	return members, holders
}

func TestAnAssignmentIsBalancedAndMovesTheFewest(t *testing.T) {
	for seed := range uint64(20_000) {
		members, holders := situation(rand.New(rand.NewPCG(seed, 0)))
		target := assign(members, holders)
		c := counts(len(members), target)
		if slices.Contains(target, nobody) || slices.Max(c)-slices.Min(c) > 1 {
			t.Fatalf("seed %d: %v of %v for %d members: counts %v", seed, target, holders, len(members), c)
		}
		moves := 0
		for shard, m := range target {
			if m != holders[shard] {
				moves++
			}
		}
		if want := fewest(len(members), holders); moves != want {
			t.Fatalf("seed %d: %d moves, want %d", seed, moves, want)
		}
	}
}

func TestAnAssignmentStaysTheSameWhileItIsCarriedOut(t *testing.T) {
	for seed := range uint64(5_000) {
		random := rand.New(rand.NewPCG(seed, 1))
		members, holders := situation(random)
		target := assign(members, holders)
		for {
			var left []int
			for shard, m := range target {
				if holders[shard] != m {
					left = append(left, shard)
				}
			}
			if len(left) == 0 {
				break
			}
			shard := left[random.IntN(len(left))]
			if holders[shard] == nobody {
				holders[shard] = target[shard]
			} else {
				holders[shard] = nobody
			}
			if got := assign(members, holders); !slices.Equal(got, target) {
				t.Fatalf("seed %d: after a move of shard %d %v, before it %v", seed, shard, got, target)
			}
		}
	}
}

func TestNobodyIsAssignedWhereThereIsNoMember(t *testing.T) {
	if got := assign(nil, []int{nobody, nobody}); !slices.Equal(got, []int{nobody, nobody}) {
		t.Errorf("got %v", got)
	}
}

func TestAMemberThatComesBackGetsTheShardsItComesFirstFor(t *testing.T) {
	members := []uint64{hash("a"), hash("b"), hash("c")}
	holders := slices.Repeat([]int{nobody}, 64)
	all := assign(members, holders)
	var without []int // as it is when b has gone
	for _, m := range assign([]uint64{members[0], members[2]}, slices.Repeat([]int{nobody}, 64)) {
		without = append(without, 2*m)
	}
	same := 0
	for shard, m := range assign(members, without) {
		if m == 1 && all[shard] == 1 {
			same++
		}
	}
	if same < 11 { // of 21; 7 by chance
		t.Errorf("%d of its shards are the same as before", same)
	}
}

// Similar names come from similar objects: most clusters have little else.
func TestSimilarKeysSpreadOverAllShards(t *testing.T) {
	for _, format := range []string{"tenant-%02d/app", "default/tenant-%02d", "%02d", "kube-system/pod-7d9c6b%02d-abcde"} {
		for _, n := range []int{2, 3, 4, 16, 64, 256} {
			used := map[int]int{}
			keys := 40 * n
			for i := range keys {
				shard := index(fmt.Sprintf(format, i), n)
				if shard < 0 || shard >= n {
					t.Fatalf("shard %d of %d", shard, n)
				}
				used[shard]++
			}
			for shard := range n {
				if used[shard] < 12 || used[shard] > 85 {
					t.Errorf("%s: %d of %d keys in shard %d of %d, want about 40", format, used[shard], keys, shard, n)
				}
			}
		}
	}
}

func TestFortySimilarNamesFallIntoManyShards(t *testing.T) {
	for n, want := range map[int]int{4: 4, 16: 13, 256: 34} {
		used := map[int]bool{}
		for i := range 40 {
			used[index(fmt.Sprintf("tenant-%02d", i), n)] = true
		}
		if len(used) < want {
			t.Errorf("40 names fall into %d of %d shards, want %d at least", len(used), n, want)
		}
	}
}

// Replicas of two builds must agree which shard a key is in.
func TestTheShardOfAKeyNeverChanges(t *testing.T) {
	for key, want := range map[string]int{"": 61, "default/a": 45, "kube-system/coredns": 5} {
		if got := index(key, 64); got != want {
			t.Errorf("%q is in shard %d, want %d", key, got, want)
		}
	}
}

func BenchmarkAssign(b *testing.B) {
	members, holders := make([]uint64, 16), make([]int, 1024)
	for m := range members {
		members[m] = hash(fmt.Sprint(m))
	}
	for shard := range holders {
		holders[shard] = shard % 15
	}
	o := newOrder(1024, members)
	for b.Loop() {
		o.assign(holders)
	}
}
