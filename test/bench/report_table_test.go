// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"
	"testing"
)

func TestTableShowsWhatWasMeasured(t *testing.T) {
	r := &report{Measurements: []measured{{
		Title: "Ends", Load: [2]string{"0.10", "0.20"}, Error: "one failed",
		Results: []result{
			{
				Name: "end", What: "from one to the other", Unit: seconds, Waited: duration(30e9),
				Series: []series{{ours, []sample{0.002, 0.004}}, {clientGo, []sample{2, never}}},
				Goals:  []goal{{Stat: "max", Value: 0.003}, {Stat: "p50", Versus: clientGo, Value: 0.02}},
			},
			{Name: "fault", Unit: perMinute, Rates: []rate{
				{Role: asStandby, Verbs: everything, Fault: "403", Subject: ours, Requests: 4.5, Lines: 0.2}, {Requests: 18.9, Lines: 19},
				{Role: asLeader, Verbs: "watch", Fault: "500", Subject: ours, Leads: true, Requests: 31}, {Requests: 30},
			}},
			{Name: "rate", Unit: perMinute, Series: []series{{ours, []sample{0}}, {clientGo, []sample{18.71}}}},
			{Name: "size", Unit: bytesEach, Series: []series{{ours, []sample{2048}}}},
		},
	}}}
	var table strings.Builder
	if err := writeTables(&table, r); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"| end | max | ≤ 3 ms | 4 ms | **missed** |",
		"| end | p50 ÷ that of client-go | ≤ 0.02 | 0.001 | met |",
		"load average 0.10 before, 0.20 after.",
		"Failed: one failed",
		"| end | elector | 2 | 2 ms | 4 ms | 4 ms |  |",
		"| end | client-go | 2 | 2 s | > 30s | > 30s (1×) | 1000 (1000 … ∞) |",
		"| rate | client-go | 1 | 18.71 /min | 18.71 /min | 18.71 /min | ∞ (∞ … ∞) |",
		"| size | elector | 1 | 2 KiB | 2 KiB | 2 KiB |  |",
		"- end: from one to the other",
		"| role | fails | with | leads | elector: requests | lines | client-go: requests | lines | limit | |",
		"| standby | all | 403 | false | 4.5 | 0.2 | 18.9 | 19 | 4 | **missed** |",
		"| leader | watch | 500 | true | 31 | 0 | 30 | 0 | 32 | met |",
	} {
		if !strings.Contains(table.String(), line+"\n") {
			t.Errorf("the table lacks %q", line)
		}
	}
	if t.Failed() {
		t.Log(table.String())
	}
}
