// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxShards have room in a picture.
const maxShards = 64

// A move is a change of a shard's holder, as the shard's Lease tells of it. A crash takes the holder away at once, and
// the Lease still names it.
type move struct {
	At     time.Time
	Shard  int
	Holder string // the replica; "" if there is none
}

// sharing is who holds what.
type sharing struct {
	holders []string // of each shard
	moves   []move
	acts    []act
}

// act is something that was done to the replicas, and what came of it.
type act struct {
	Name, Replica string
	Began, Done   time.Time // Done is when all had their share again
}

// shardOf returns the shard whose Lease has that name.
func shardOf(lease string) (shard int, ok bool) {
	_, number, ok := strings.Cut(lease, "-shard-")
	shard, err := strconv.Atoi(number)
	return shard, ok && err == nil && shard >= 0
}

// hold notes who holds a shard.
func (b *board) hold(shard int, holder string, at time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s := b.sharing; s != nil && shard < len(s.holders) {
		s.move(shard, holder, at)
		b.touchLocked()
	}
}

func (s *sharing) move(shard int, holder string, at time.Time) {
	if s.holders[shard] != holder {
		s.holders[shard] = holder
		s.moves = append(s.moves, move{at, shard, holder})
	}
}

// drop notes that a replica has crashed.
func (s *sharing) drop(replica string, at time.Time) {
	for shard, holder := range s.holders {
		if holder == replica {
			s.move(shard, "", at)
		}
	}
}

// counts returns how many shards each replica holds.
func (s *sharing) counts() map[string]int {
	counts := map[string]int{}
	for _, holder := range s.holders {
		counts[holder]++
	}
	return counts
}

// even reports whether the replicas, and nobody else, hold all shards, alike but for one.
func (s *sharing) even(replicas []string) bool {
	counts, total := s.counts(), 0
	for _, name := range replicas {
		least := len(s.holders) / len(replicas)
		if n := counts[name]; n < least || n > least+1 {
			return false
		}
		total += counts[name]
	}
	return total == len(s.holders)
}

// outcome is what an act has cost.
type outcome struct {
	moved   int
	longest time.Duration // that a shard had no holder
}

// outcome returns what came of an act: the moves from its beginning until all had their share.
func (s *sharing) outcome(a act) (o outcome) {
	moves := slices.Clone(s.moves)
	slices.SortStableFunc(moves, func(a, b move) int { return cmp.Compare(a.At.UnixNano(), b.At.UnixNano()) })
	free := map[int]time.Time{}
	for _, m := range moves {
		if m.At.Before(a.Began) || m.At.After(a.Done) {
			continue
		}
		if m.Holder == "" {
			free[m.Shard] = m.At
			continue
		}
		o.moved++
		if since, ok := free[m.Shard]; ok {
			o.longest = max(o.longest, m.At.Sub(since))
		}
	}
	return o
}

// table returns the summary's header and rows.
func (s *sharing) table() (header []string, rows [][]string) {
	header = []string{"change", "what happened", "replica", "shards moved", "longest unserved", "all served and even"}
	for i, a := range s.acts {
		o, longest := s.outcome(a), "-"
		if o.longest > 0 {
			longest = short(o.longest)
		}
		rows = append(rows, []string{
			fmt.Sprint(i + 1), a.Name, a.Replica, fmt.Sprintf("%d of %d", o.moved, len(s.holders)), longest, short(a.Done.Sub(a.Began)),
		})
	}
	return header, rows
}

// measuredShards says what the numbers in the table are.
var measuredShards = []string{
	"longest unserved: from the release of a shard, or the crash of its holder, to its next claim, of the shard for which it took longest. " +
		"A crash is reported to the replica's Pod, which is a kubelet's part. The demo plays it, and looks once a second.",
	"all served and even: from what happened until the replicas hold all shards again, with numbers that differ by one at most. " +
		"A replica that joins has to start first.",
	"What the API server tells about the Leases is timed when it arrives, by the clock of the one machine on which all of it runs.",
}
