// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/kube-elector/elector/test/harness"
)

// The short form: the scenarios that take seconds and need no control plane of their own. The others are played
// by make chaos.
func TestFaultsOnRealProcesses(t *testing.T) {
	assets, err := harness.Assets()
	if err != nil {
		t.Fatal(err)
	}
	// What fails leaves its evidence where make chaos does.
	th := &theatre{peer: ours, assets: assets, dir: filepath.Join("..", "..", "bin", "chaos", "test"), stalls: &stalls{}}
	var short []scenario
	for _, sc := range scenarios() {
		if sc.short {
			short = append(short, sc)
		}
	}
	results := map[int]result{}
	err = th.watched(t.Context(), func() error {
		return th.playAll(t.Context(), turns(short, 1), func(turn) {}, func(one turn, r result) { results[one.row] = r })
	})
	if err != nil {
		t.Error(err)
	}
	for _, sc := range short {
		t.Run(fmt.Sprintf("%d %s", sc.row, sc.name), func(t *testing.T) {
			r := results[sc.row]
			t.Logf("must: %s; gap %v, overlap %v, zombie %v, %d writes refused, %d requests, the machine stalled for %v, took %v",
				r.Must, brief(r.Gap), brief(r.Overlap), brief(r.Zombie), r.Refused, r.Requests, brief(r.Stall), r.Took.Round(time.Millisecond))
			for _, f := range r.Figures {
				t.Log(f)
			}
			if r.Verdict != passed {
				t.Errorf("%s %q, see %s", r.Verdict, r.Failures, r.Evidence)
			}
		})
	}
}
