// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/kube-elector/elector/test/chaos/replica"
	"github.com/kube-elector/elector/test/chaos/report"
	"github.com/kube-elector/elector/test/chaos/scenario"
	"github.com/kube-elector/elector/test/chaos/stage"
	"github.com/kube-elector/elector/test/harness"
)

func TestMain(m *testing.M) {
	if code, isReplica := replica.Main(); isReplica {
		os.Exit(code)
	}
	quiet()
	goleak.VerifyTestMain(m)
}

func TestWrongArgumentsAreNamed(t *testing.T) {
	for arguments, want := range map[string]string{
		"-scenario 99":         "99",
		"-scenario 27":         "elector/deadline_test.go",
		"-scenario suspended":  "elector/deadline_test.go",
		"-scenario [":          "-scenario",
		"-count 0":             "-count 0",
		"-duration -1s":        "-1s",
		"-peer raft":           "raft",
		"more":                 "more",
		"-compare -o /nowhere": "make chaos PEER=elector",
	} {
		err := run(t.Context(), strings.Fields(arguments), &bytes.Buffer{}, &bytes.Buffer{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v does not name %s", arguments, err, want)
		}
	}
}

func TestScenariosAreChosenByNumberOrName(t *testing.T) {
	for pattern, want := range map[string][]int{"2": {2}, "frozen": {2, 3, 13}, "^LEADER K": {1}} {
		chosen, err := choose(pattern)
		if err != nil {
			t.Error(err)
		}
		var rows []int
		for _, sc := range chosen {
			rows = append(rows, sc.Row)
		}
		if !slices.Equal(rows, want) {
			t.Errorf("%s chooses %v, want %v", pattern, rows, want)
		}
	}
}

func TestEveryRowIsPlayedOrTestedElsewhere(t *testing.T) {
	seen := map[int]int{}
	for _, sc := range scenario.All() {
		seen[sc.Row]++
	}
	for _, other := range scenario.Elsewhere {
		seen[other.Row]++
		if file, _, _ := strings.Cut(other.Where, ":"); file != "" {
			if _, err := os.Stat(filepath.Join("..", "..", file)); err != nil {
				t.Errorf("row %d is said to be tested in what is not there: %v", other.Row, err)
			}
		}
	}
	for row := 1; row <= 44; row++ {
		if seen[row] != 1 {
			t.Errorf("row %d is there %d times", row, seen[row])
		}
	}
}

func TestAnInterruptedRunLeavesNothingBehind(t *testing.T) {
	assets, err := harness.Assets()
	if err != nil {
		t.Fatal(err)
	}
	stop := errors.New("interrupted")
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	r := &runner{peer: harness.Ours, assets: assets, dir: t.TempDir(), stalls: &stage.Stalls{}, begin: func(string) {}}
	r.end = func(_ string, result report.Result) {
		if result.Verdict != report.Broken {
			t.Errorf("verdict %s %q, want %s", result.Verdict, result.Failures, report.Broken)
		}
	}
	var planes []*stage.Plane
	err = r.onPlane(ctx, false, func(p *stage.Plane) {
		planes = append(planes, p)
		r.play(ctx, p, turn{scenario.Scenario{Row: 1, Name: "interrupted", Play: func(s *stage.Stage) {
			cancel(stop)
			s.Pause(time.Minute)
		}}, "01"})
		if _, err := os.Stat(filepath.Join(r.dir, "evidence", "01", "history.txt")); err != nil {
			t.Errorf("no evidence is left: %v", err)
		}
	})
	if err != nil {
		t.Error(err)
	}
	for _, p := range planes {
		if p.Etcd.Running() == nil || p.Server.Running() == nil {
			t.Error("the control plane still runs")
		}
	}
}
