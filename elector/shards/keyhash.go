// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package shards

import (
	"math/bits"
)

// index returns the shard of a key, of n.
func index(key string, n int) int {
	high, _ := bits.Mul64(hash(key), uint64(n)) //nolint:gosec // not negative
	return int(high)                            //nolint:gosec // less than n
}

// hash returns FNV-1a with a finalizer. FNV alone puts similar names close together, and ranges of it, or its high
// bits, don't spread them.
func hash(s string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return mix(h)
}

// mix applies the finalizer of SplitMix64.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
