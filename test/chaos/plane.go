// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"sync/atomic"

	"github.com/kube-elector/elector/test/harness"
)

// plane is a control plane on which scenarios are played.
type plane struct {
	*harness.ControlPlane
	faults    atomic.Int64 // how many have begun or ended; odd while one lasts
	wanted    atomic.Bool  // its logs are evidence
	exclusive bool         // it may be stopped: only one scenario is played on it
}
