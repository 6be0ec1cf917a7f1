// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"context"
	"fmt"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"k8s.io/utils/ptr"
)

func (c *candidate) wantLeading(t *testing.T, want int) {
	t.Helper()
	if err := testutil.CollectAndCompare(c.Collector(), strings.NewReader(fmt.Sprintf(`
		# HELP elector_leading Whether this replica leads (1) or stands by (0).
		# TYPE elector_leading gauge
		elector_leading{lease_name="lease",lease_namespace="ns"} %d
	`, want)), "elector_leading"); err != nil {
		t.Error(err)
	}
}

// gather returns what a scrape gives, which is the values of counters and gauges, and counts and sums of histograms.
func (c *candidate) gather(t *testing.T) map[string]float64 {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(c.Collector())
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]float64{}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			switch {
			case m.GetCounter() != nil:
				values[family.GetName()] += m.GetCounter().GetValue()
			case m.GetGauge() != nil:
				values[family.GetName()] = m.GetGauge().GetValue()
			case m.GetHistogram() != nil:
				values[family.GetName()+"_count"] = float64(m.GetHistogram().GetSampleCount())
				values[family.GetName()+"_sum"] = m.GetHistogram().GetSampleSum()
			}
		}
	}
	return values
}

// near allows for floating-point numbers, and the Lease's microseconds.
func near(got float64, want time.Duration) bool { return math.Abs(got-want.Seconds()) < 1e-5 }

func TestTermsAreCountedByTheirCause(t *testing.T) {
	for cause, act := range map[string]func(*world, *candidate){
		"expired":      func(_ *world, c *candidate) { c.client.Partition() },
		"taken_over":   func(w *world, _ *candidate) { w.edit(func(l *leaseObject) { l.Spec.HolderIdentity = ptr.To("x") }) },
		"deleted":      func(w *world, _ *candidate) { w.server.Delete(testNamespace, testLease) },
		"stepped_down": func(w *world, c *candidate) { go c.StepDown(w.t.Context()) }, //nolint:errcheck // watched from outside
		"stopped":      func(_ *world, c *candidate) { c.stop() },
	} {
		t.Run(cause, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				a := w.candidate("a").start()
				a.leads(time.Second)
				if n := a.gather(t)["elector_terms_total"]; n != 0 {
					t.Errorf("%v terms have ended while the first lasts", n)
				}
				act(w, a)
				w.until(time.Minute, "the term ends", func() bool { return w.log.count("a stopped") == 1 })
				want := "# HELP elector_terms_total Terms of this replica that have ended, by cause.\n# TYPE elector_terms_total counter\n"
				for label := range causes {
					n := 0
					if label == cause {
						n = 1
					}
					want += fmt.Sprintf("elector_terms_total{cause=%q,lease_name=\"lease\",lease_namespace=\"ns\"} %d\n", label, n)
				}
				if err := testutil.CollectAndCompare(a.Collector(), strings.NewReader(want), "elector_terms_total"); err != nil {
					t.Error(err)
				}
				if len(causes) != 5 {
					t.Errorf("%d causes, this test knows five", len(causes))
				}
			})
		})
	}
}

func TestLeadingAndTheAgeOfTheLastRenewalAreTrueAtTheScrape(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		const age = "elector_last_renewal_age_seconds"
		a := w.candidate("a")
		a.atEnd = func(context.Context) { time.Sleep(3 * time.Second) }
		absent := func(when string) {
			t.Helper()
			if n := testutil.CollectAndCount(a.Collector(), age); n != 0 {
				t.Errorf("there is an age %s", when)
			}
			a.wantLeading(t, 0)
		}
		absent("before Start")
		a.start().leads(time.Second)
		time.Sleep(time.Minute + 700*time.Millisecond)
		if v, want := a.gather(t)[age], time.Since(w.lastRenewal()); !near(v, want) || want == 0 {
			t.Errorf("age %v, want %v", v, want)
		}
		a.wantLeading(t, 1)
		renewed := w.lastRenewal()
		a.client.Partition()
		last := DefaultRenewDeadline - reaction(DefaultRenewDeadline) - time.Millisecond
		time.Sleep(time.Until(renewed.Add(last)))
		if v := a.gather(t)[age]; !near(v, last) {
			t.Errorf("age %v just before the deadline", v)
		}
		time.Sleep(time.Millisecond) // the work has yet to end
		absent("after the deadline")
		if w.log.count("a returned") != 0 {
			t.Error("the work has ended: the scrape was not put to the test")
		}
	})
}

func TestRenewalsAreMeasuredFromTheirSending(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.candidate("a").start()
		a.leads(time.Second)
		synctest.Wait()
		a.client.Latency(100*time.Millisecond, 200*time.Millisecond)
		before, sent := a.gather(t), w.server.Requests("a", "update")
		time.Sleep(61 * time.Second)
		after, more := a.gather(t), w.server.Requests("a", "update")-sent
		if n := after["elector_renew_duration_seconds_count"] - before["elector_renew_duration_seconds_count"]; int(n) != more || more < 20 {
			t.Errorf("%v renewals measured, %d sent", n, more)
		}
		took := after["elector_renew_duration_seconds_sum"] - before["elector_renew_duration_seconds_sum"]
		if want := time.Duration(more) * 300 * time.Millisecond; !near(took, want) {
			t.Errorf("they took %v s together, want %v", took, want)
		}
	})
}

func TestDrainsAndHandoversAreMeasured(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.candidate("a")
		a.atEnd = func(context.Context) { time.Sleep(3 * time.Second) }
		a.start().leads(time.Second)
		b := w.candidate("b").start()
		synctest.Wait()
		b.client.Latency(40*time.Millisecond, 20*time.Millisecond)
		if err := a.StepDown(t.Context()); err != nil {
			t.Fatal(err)
		}
		b.leads(time.Second)
		ofA, ofB := a.gather(t), b.gather(t)
		if n, took := ofA["elector_drain_duration_seconds_count"], ofA["elector_drain_duration_seconds_sum"]; n != 1 || !near(took, 3*time.Second) {
			t.Errorf("%v drains measured, of %v s, want one of 3 s", n, took)
		}
		if n, took := ofB["elector_handover_duration_seconds_count"], ofB["elector_handover_duration_seconds_sum"]; n != 1 || !near(took, 60*time.Millisecond) {
			t.Errorf("%v handovers measured, of %v s, want one of 60 ms", n, took)
		}
		if n := ofA["elector_handover_duration_seconds_count"]; n != 0 {
			t.Errorf("%v handovers to one who found no Lease", n)
		}
		b.crash()
		a.leads(time.Minute)
		if n := a.gather(t)["elector_handover_duration_seconds_count"]; n != 0 {
			t.Errorf("%v handovers by a crash", n)
		}
	})
}

func TestAWaitForOthersIsNoHandover(t *testing.T) {
	for name, wait := range map[string]func(*testing.T, *world, *candidate){
		"after StepDown": func(t *testing.T, _ *world, a *candidate) {
			if err := a.StepDown(t.Context()); err != nil {
				t.Fatal(err)
			}
		},
		"after StepDown, and an edit": func(t *testing.T, w *world, a *candidate) {
			if err := a.StepDown(t.Context()); err != nil {
				t.Fatal(err)
			}
			w.edit(func(l *leaseObject) { l.Labels = map[string]string{"k": "v"} })
		},
		"blanked again and again": func(_ *testing.T, w *world, _ *candidate) {
			for range 3 {
				w.isHeldBy("")
				time.Sleep(time.Second)
			}
		},
		"deleted, then put back blank": func(_ *testing.T, w *world, _ *candidate) {
			w.isHeldBy("x")
			w.server.Delete(testNamespace, testLease)
			w.server.Put(foreignLease("", nil))
		},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				a := w.candidate("a").start()
				a.leads(time.Second)
				wait(t, w, a)
				a.leads(time.Minute)
				if n := a.gather(t)["elector_handover_duration_seconds_count"]; n != 0 {
					t.Errorf("%v hand-overs measured, of %v s, and no other replica has released the Lease", n, a.gather(t)["elector_handover_duration_seconds_sum"])
				}
			})
		})
	}
}

func TestWatchRestartsAreCounted(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.candidate("a").start()
		a.leads(time.Second)
		for want := range 3 {
			time.Sleep(time.Minute)
			if n := a.gather(t)["elector_watch_restarts_total"]; n != float64(want) {
				t.Errorf("%v restarts, want %d", n, want)
			}
			a.client.CutWatches()
		}
	})
}

func TestElectorsOfDifferentLeasesShareARegistry(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.candidate("a").start()
		a.leads(time.Second)
		other := w.candidate("other", func(c *Config) { c.LeaseName = "other" })
		twin := w.candidate("twin")
		registry := prometheus.NewPedanticRegistry()
		registry.MustRegister(a.Collector())
		if err := registry.Register(other.Collector()); err != nil {
			t.Error(err)
		}
		if err := registry.Register(twin.Collector()); err == nil {
			t.Error("two Electors of one Lease in one registry: their metrics would be the same")
		}
		if err := testutil.GatherAndCompare(registry, strings.NewReader(`
			# HELP elector_leading Whether this replica leads (1) or stands by (0).
			# TYPE elector_leading gauge
			elector_leading{lease_name="lease",lease_namespace="ns"} 1
			elector_leading{lease_name="other",lease_namespace="ns"} 0
		`), "elector_leading"); err != nil {
			t.Error(err)
		}
		problems, err := testutil.GatherAndLint(registry)
		if err != nil || len(problems) > 0 {
			t.Errorf("%v, %v", problems, err)
		}
	})
}
