// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"context"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/controller"

	"github.com/kube-elector/elector/elector"
	"github.com/kube-elector/elector/elector/leasetest"
)

// crewed makes a replica with crash detection in a Pod of its own.
func (f *fleet) crewed(name string, d elector.CrashDetection) (*ship, *leasetest.Container) {
	f.t.Helper()
	container, err := f.server.RunContainer("ns", "pod-"+name, f.t.TempDir())
	if err != nil {
		f.t.Fatal(err)
	}
	for name, value := range container.Environment() {
		f.t.Setenv(name, value)
	}
	d.TerminationLog = container.TerminationLog()
	return f.replica(name, controller.Options{}, WithCrashDetection(d)), container
}

func TestTheShardsOfAReplicaThatHasCrashedMoveWhenTheKubeletHasReportedIt(t *testing.T) {
	for name, test := range map[string]struct {
		detection elector.CrashDetection
		want      time.Duration
	}{
		"by defaults": {elector.CrashDetection{}, 5 * time.Second},
		"no grace":    {elector.CrashDetection{Grace: -1}, 0},
		"fenced":      {elector.CrashDetection{Fenced: func(context.Context) bool { return true }}, 0},
	} {
		for _, crashed := range []int{0, 1} {
			t.Run(name, func(t *testing.T) {
				inFleet(t, 8, 20, func(f *fleet) {
					var ships [2]*ship
					var containers [2]*leasetest.Container
					for i, name := range []string{"a", "b"} { // a leads
						ships[i], containers[i] = f.crewed(name, test.detection)
						ships[i].launch()
						pass(time.Second)
					}
					f.until(time.Second, ships[:]...)
					pass(time.Minute)
					other := ships[1-crashed]
					ships[crashed].client.Partition()
					if err := containers[crashed].Report(leasetest.Exited(137)); err != nil {
						t.Fatal(err)
					}
					began := time.Now()
					f.until(test.want+100*time.Millisecond, other)
					if took := time.Since(began); took < test.want {
						t.Errorf("served %v after the report, want %v", took, test.want)
					}
					pass(time.Second)
					f.check("after a crash", other)
					if !other.Elector().IsLeader() {
						t.Error("nobody leads")
					}
					ships[crashed].client.Heal()
					for _, s := range ships {
						_ = s.stop()
					}
				})
			})
		}
	}
}
