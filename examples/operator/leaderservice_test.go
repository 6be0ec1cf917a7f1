// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import "testing"

func TestTheLeaderServiceNeedsAMetricsAddress(t *testing.T) {
	for address, ok := range map[string]bool{":8080": true, "[::]:8443": true, "0": false, ":https": false} {
		if option, err := leaderService(options{metricsAddress: address}); (err == nil) != ok || (option != nil) != ok {
			t.Errorf("%q: %v", address, err)
		}
	}
}
