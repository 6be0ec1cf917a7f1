// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/util/duration"
)

// brief returns a time span in a few characters, such as 1.2s, 13s, 5m20s or 3d4h.
func brief(d time.Duration) string {
	switch {
	case d < 0:
		return "-" + brief(d.Abs())
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.1fms", float64(d)/float64(time.Millisecond))
	case d < time.Second:
		return fmt.Sprintf("%dms", d.Milliseconds())
	case d < 10*time.Second:
		return fmt.Sprintf("%.1fs", d.Truncate(100*time.Millisecond).Seconds())
	}
	return duration.HumanDuration(d)
}

// ago returns "3m ago", or "in 3m" for a time that is still to come by the clock that was read.
func ago(d time.Duration) string {
	if d < 0 {
		return "in " + brief(d.Abs())
	}
	return brief(d) + " ago"
}

// apart says how far one clock is from another: "3s ahead of" or "3s behind".
func apart(d time.Duration) string {
	if d < 0 {
		return brief(d.Abs()) + " behind"
	}
	return brief(d) + " ahead of"
}
