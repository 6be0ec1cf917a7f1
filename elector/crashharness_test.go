// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"time"

	"github.com/kube-elector/elector/elector/leasetest"
)

// atOnce makes a candidate claim without a grace period.
const atOnce = -1

// contained is a candidate in a container of its own, and the kubelet that runs it.
type contained struct {
	*candidate
	container *leasetest.Container
}

// contained makes a candidate with crash detection in a Pod of its own.
func (w *world) contained(id string, grace time.Duration, change ...func(*Config)) contained {
	w.t.Helper()
	container, err := w.server.RunContainer(testNamespace, "pod-"+id, w.t.TempDir())
	if err != nil {
		w.t.Fatal(err)
	}
	return contained{w.in(container, id, grace, change...), container}
}

// in makes a candidate that runs in the container.
func (w *world) in(container *leasetest.Container, id string, grace time.Duration, change ...func(*Config)) *candidate {
	w.t.Helper()
	for name, value := range container.Environment() {
		w.t.Setenv(name, value)
	}
	detect := func(c *Config) {
		c.CrashDetection = &CrashDetection{TerminationLog: container.TerminationLog(), Grace: grace}
	}
	return w.candidate(id, append([]func(*Config){detect}, change...)...)
}

// report makes the kubelet write a report about the candidate's container.
func (c contained) report(r leasetest.Report) {
	c.w.t.Helper()
	if err := c.container.Report(r); err != nil {
		c.w.t.Fatal(err)
	}
}

// ends makes the process die in mid-air, and the kubelet report it.
func (c contained) ends() {
	c.w.t.Helper()
	c.crash()
	c.report(leasetest.Exited(137))
}

// led starts a leader and a standby, both with crash detection, and returns them after a while.
func (w *world) led(grace time.Duration, change ...func(*Config)) (leader, standby contained) {
	w.t.Helper()
	leader = w.contained("a", grace, change...)
	leader.start()
	leader.leads(time.Second)
	standby = w.contained("b", grace, change...)
	standby.start()
	time.Sleep(time.Minute + time.Second) // between two renewals
	return leader, standby
}

// leadsAfter fails the test unless the candidate leads from then on, give or take some milliseconds.
func (c contained) leadsAfter(want time.Duration) {
	c.w.t.Helper()
	if took := c.leads(want + time.Second); took < want || took > want+5*time.Millisecond {
		c.w.t.Errorf("%s leads after %v, want %v\n%s", c.id, took, want, c.w.log)
	}
}
