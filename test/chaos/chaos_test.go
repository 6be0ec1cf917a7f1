// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/kube-elector/elector/test/chaos/report"
	"github.com/kube-elector/elector/test/chaos/scenario"
	"github.com/kube-elector/elector/test/chaos/stage"
	"github.com/kube-elector/elector/test/harness"
)

// The short form plays the scenarios that take seconds and need no control plane of their own. Run the others with make
// chaos.
func TestFaultsOnRealProcesses(t *testing.T) {
	assets, err := harness.Assets()
	if err != nil {
		t.Fatal(err)
	}
	results := map[int]report.Result{}
	// What fails leaves its evidence where make chaos does.
	r := &runner{
		peer: harness.Ours, assets: assets, dir: filepath.Join("..", "..", "bin", "chaos", "test"), stalls: &stage.Stalls{},
		begin: func(string) {}, end: func(_ string, one report.Result) { results[one.Row] = one },
	}
	short := slices.DeleteFunc(scenario.All(), func(sc scenario.Scenario) bool { return !sc.Short })
	if err := r.watched(t.Context(), func() error { return r.playAll(t.Context(), turns(short, 1)) }); err != nil {
		t.Error(err)
	}
	for _, sc := range short {
		t.Run(fmt.Sprintf("%d %s", sc.Row, sc.Name), func(t *testing.T) {
			r := results[sc.Row]
			t.Logf("must: %s; gap %v, overlap %v, zombie %v, %d writes refused, %d requests, the machine stalled for %v, took %v",
				r.Must, stage.Brief(r.Gap), stage.Brief(r.Overlap), stage.Brief(r.Zombie), r.Refused, r.Requests, stage.Brief(r.Stall), r.Took.Round(time.Millisecond))
			for _, f := range r.Figures {
				t.Log(f)
			}
			if r.Verdict != report.Passed {
				t.Errorf("%s %q, see %s", r.Verdict, r.Failures, r.Evidence)
			}
		})
	}
}
