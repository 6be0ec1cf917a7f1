// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package shards

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

func TestMetricsTellWhoHoldsWhatAndWhatNobodyHolds(t *testing.T) {
	inWorld(t, 8, func(w *world) {
		a, b := w.two()
		registry := prometheus.NewPedanticRegistry()
		registry.MustRegister(a.Collector())
		value := func(name, cause string) float64 {
			families, err := registry.Gather()
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range families {
				for _, m := range f.GetMetric() {
					labels := map[string]string{}
					for _, l := range m.GetLabel() {
						labels[l.GetName()] = l.GetValue()
					}
					if f.GetName() == name && labels["cause"] == cause {
						return m.GetGauge().GetValue() + m.GetCounter().GetValue()
					}
				}
			}
			t.Fatalf("no %s{cause=%q}", name, cause)
			return 0
		}
		check := func(name, cause string, want float64) {
			t.Helper()
			if got := value(name, cause); got != want {
				t.Errorf("%s{cause=%q} is %v, want %v", name, cause, got, want)
			}
		}
		check("elector_shards", "", 8)
		check("elector_shards_held", "", 4)
		check("elector_shards_members", "", 2)
		check("elector_shards_unowned", "", 0)
		check("elector_shards_acquired_total", causeNew, 4)
		a.client.Intercept(func(op leaseOp) leaseFault {
			return leaseFault{Err: map[bool]error{true: errForbidden}[isShard(op)]}
		})
		b.crash()
		w.pass(30 * time.Second)
		check("elector_shards_unowned", "", 4)
		if age := value("elector_shards_unowned_seconds", ""); age < 10 || age > 20 {
			t.Errorf("unowned for %v s", age)
		}
		a.client.Heal()
		w.settled(10*time.Second, a)
		check("elector_shards_acquired_total", causeLapsed, 4)
		a.stop()
		_ = a.result(time.Second)
		check("elector_shards_lost_total", "stopped", 8)
		if !registry.Unregister(a.Collector()) {
			t.Error("the Collector cannot be unregistered")
		}
	})
}
