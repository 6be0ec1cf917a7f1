// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/metrics"
)

// depth is the workqueue_depth of a controller.
func depth(t *testing.T, name string) (sum float64) {
	t.Helper()
	families, err := metrics.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != "workqueue_depth" {
			continue
		}
		for _, m := range f.Metric {
			for _, l := range m.Label {
				if l.GetName() == "name" && l.GetValue() == name {
					sum += m.Gauge.GetValue()
				}
			}
		}
	}
	return sum
}
