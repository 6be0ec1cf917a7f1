// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package stage

import (
	"sync/atomic"

	"github.com/kube-elector/elector/test/harness"
)

// A Plane is a control plane on which scenarios are played.
type Plane struct {
	*harness.ControlPlane
	Faults    atomic.Int64 // how many have begun or ended; odd while one lasts
	Wanted    atomic.Bool  // its logs are evidence
	Exclusive bool         // one scenario is played on it at a time, which may stop it
}
