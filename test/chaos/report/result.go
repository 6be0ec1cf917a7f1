// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

// Package report shows what scenarios have found, as a table of one run, and side by side with other peers.
package report

import (
	"time"

	"github.com/kube-elector/elector/test/chaos/stage"
)

// The verdicts of a result.
const (
	Passed = "pass"
	Failed = "FAIL"
	Broken = "ERROR" // the scenario ended early
)

// A Result is what playing one scenario once has shown.
type Result struct {
	Row     int    `json:"row"`
	Name    string `json:"name"`
	Must    string `json:"must"`
	Verdict string `json:"verdict"`
	stage.Outcome
	Replays  int           `json:"replays,omitempty"` // before, while the machine stalled for too long
	Took     time.Duration `json:"tookNanoseconds"`
	Evidence string        `json:"evidence,omitempty"`
}

// A Report is what a run has shown.
type Report struct {
	Command  string            `json:"command"`
	Peer     string            `json:"peer"`
	Began    time.Time         `json:"began"`
	Took     time.Duration     `json:"tookNanoseconds"`
	Versions map[string]string `json:"versions"`
	Machine  string            `json:"machine"`
	Seed     uint64            `json:"seed,omitempty"` // of a soak
	Results  []Result          `json:"results"`
}
