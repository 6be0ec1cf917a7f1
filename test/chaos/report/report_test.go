// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bytes"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kube-elector/elector/test/chaos/stage"
)

var zero = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func TestPeersStandSideBySide(t *testing.T) {
	dir := t.TempDir()
	for i, peer := range Peers {
		r := &Report{
			Command: "make chaos PEER=" + peer, Peer: peer, Began: zero, Took: time.Minute, Versions: map[string]string{"Go": "go0"},
			Results: []Result{{
				Row: 2, Name: "leader frozen past its lease", Verdict: []string{Passed, Failed, Broken}[i], Outcome: stage.Outcome{
					Gap: time.Second, Zombie: time.Duration(i) * time.Second, Failures: []string{"reason | of\nmany lines"}[:min(i, 1)],
				},
			}},
		}
		if err := r.Save(filepath.Join(dir, peer), io.Discard); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	if err := Compare(dir, &out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| 2 | leader frozen past its lease | next leads at expiry;",
		"| pass: gap 1s, overlap 0s, zombie 0s, 0 refused, 0 requests | FAIL: gap 1s, overlap 0s, zombie 1s, 0 refused, 0 requests | ERROR: gap 1s,",
		"| 3 | frozen briefly | no callback at all | not played | not played | not played |",
		"| 29 | clocks run ±10 % apart | not on processes: test/sim: virtual time | | | |",
		"client-go: `make chaos PEER=client-go`, 2026-01-01 00:00 UTC, took 1m0s. 0 rows passed, 1 failed, 0 could not",
		"  - reason / of\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, out.String())
		}
	}
}
