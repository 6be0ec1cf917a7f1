// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package sim

// Shrink returns as few of the faults, in their order, as still fail, so that none of them can be left out alone. It
// may call fails often. If fails is right by chance only, the result is smaller the more often it is right.
func Shrink(faults []Fault, fails func([]Fault) bool) []Fault {
	for size := (len(faults) + 1) / 2; size > 0; {
		smaller := false
		for from := 0; from < len(faults); {
			without := append(append([]Fault{}, faults[:from]...), faults[min(from+size, len(faults)):]...)
			if fails(without) {
				faults, smaller = without, true
			} else {
				from += size
			}
		}
		switch {
		case size > 1:
			size = (size + 1) / 2
		case !smaller:
			return faults
		}
	}
	return faults
}
