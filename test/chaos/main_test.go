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

	"github.com/kube-elector/elector/test/harness"
)

func TestMain(m *testing.M) {
	if code, isReplica := replicaMain(); isReplica {
		os.Exit(code)
	}
	quiet()
	goleak.VerifyTestMain(m)
}

func TestWrongArgumentsAreNamed(t *testing.T) {
	for arguments, want := range map[string]string{
		"-scenario 99":         "99",
		"-scenario 27":         "elector/validity_test.go",
		"-scenario suspended":  "elector/validity_test.go",
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
			rows = append(rows, sc.row)
		}
		if !slices.Equal(rows, want) {
			t.Errorf("%s chooses %v, want %v", pattern, rows, want)
		}
	}
}

func TestEveryRowIsPlayedOrTestedElsewhere(t *testing.T) {
	seen := map[int]int{}
	for _, sc := range scenarios() {
		seen[sc.row]++
	}
	for _, other := range elsewhere {
		seen[other.row]++
		if file, _, _ := strings.Cut(other.where, ":"); file != "" {
			if _, err := os.Stat(filepath.Join("..", "..", file)); err != nil {
				t.Errorf("row %d is said to be tested in what is not there: %v", other.row, err)
			}
		}
	}
	for row := 1; row <= 44; row++ {
		if seen[row] != 1 {
			t.Errorf("row %d is there %d times", row, seen[row])
		}
	}
}

func TestTheRegisterRefusesALowerToken(t *testing.T) {
	var events []occurrence
	r, err := newRegister(func(e occurrence) { events = append(events, e) })
	if err != nil {
		t.Fatal(err)
	}
	c, err := dialRegister(t.Context(), r.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	for _, token := range []string{"9", "", "10", "9", "10", "nonsense"} {
		if err := c.write("a#1", token); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.close(); err != nil {
		t.Error(err)
	}
	var got []kind
	for _, e := range events {
		got = append(got, e.Kind)
	}
	want := []kind{accepted, accepted, accepted, refused, accepted, refused}
	if !slices.Equal(got, want) {
		t.Errorf("the register says %v, want %v", got, want)
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
	th := &theatre{peer: ours, assets: assets, dir: t.TempDir(), stalls: &stalls{}}
	var planes []*plane
	err = th.onPlane(ctx, false, func(p *plane) {
		planes = append(planes, p)
		sc := scenario{row: 1, name: "interrupted", play: func(s *stage) error {
			cancel(stop)
			return harness.Pause(s.ctx, time.Minute)
		}}
		r := th.playOn(ctx, p, sc, "01")
		if r.Verdict != broken {
			t.Errorf("verdict %s %q, want %s", r.Verdict, r.Failures, broken)
		}
		if _, err := os.Stat(filepath.Join(th.dir, "evidence", "01", "history.jsonl")); err != nil {
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
