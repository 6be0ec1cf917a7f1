// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import "time"

// The verdicts of a result.
const (
	passed = "pass"
	failed = "FAIL"
	broken = "ERROR" // it could not be played
)

// result is what playing one scenario once has shown.
type result struct {
	Row      int      `json:"row"`
	Name     string   `json:"name"`
	Must     string   `json:"must"`
	Verdict  string   `json:"verdict"`
	Failures []string `json:"failures,omitempty"`
	Figures  []figure `json:"figures,omitempty"`

	Gap       time.Duration `json:"gapNanoseconds"`     // the longest time without a leader that could act
	Overlap   time.Duration `json:"overlapNanoseconds"` // the longest time with two that the rules do not excuse
	Zombie    time.Duration `json:"zombieNanoseconds"`  // the same, where one had been frozen
	Refused   int           `json:"writesRefused"`
	Requests  int           `json:"requests"` // about the Lease, of all replicas
	Elections int           `json:"elections"`
	Stall     time.Duration `json:"stallNanoseconds"`  // the machine's own worst, meanwhile
	Replays   int           `json:"replays,omitempty"` // before, in which it stalled for too long
	Took      time.Duration `json:"tookNanoseconds"`
	unsafe    bool          // what failed is no matter of time
	Evidence  string        `json:"evidence,omitempty"`
}

// report is what a run has shown.
type report struct {
	Command  string            `json:"command"`
	Peer     string            `json:"peer"`
	Began    time.Time         `json:"began"`
	Took     time.Duration     `json:"tookNanoseconds"`
	Versions map[string]string `json:"versions"`
	Machine  string            `json:"machine"`
	Seed     uint64            `json:"seed,omitempty"` // of a soak
	Results  []result          `json:"results"`
}
