// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package shards

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/kube-elector/elector/elector"
	"github.com/kube-elector/elector/elector/leasetest"
)

// atOnce makes the others claim without a grace period.
const atOnce = -1

// contained is a replica in a container of its own, and the kubelet that runs it.
type contained struct {
	*member
	container *leasetest.Container
}

// contained makes a replica with crash detection in a Pod of its own.
func (w *world) contained(id string, grace time.Duration, change ...func(*elector.Config)) *contained {
	w.t.Helper()
	container, err := w.server.RunContainer(testNamespace, "pod-"+id, w.t.TempDir())
	if err != nil {
		w.t.Fatal(err)
	}
	return w.in(container, id, grace, change...)
}

// in makes a replica that runs in the container.
func (w *world) in(container *leasetest.Container, id string, grace time.Duration, change ...func(*elector.Config)) *contained {
	w.t.Helper()
	for name, value := range container.Environment() {
		w.t.Setenv(name, value)
	}
	detect := func(c *elector.Config) {
		c.CrashDetection = &elector.CrashDetection{TerminationLog: container.TerminationLog(), Grace: grace}
	}
	return &contained{w.member(id, append([]func(*elector.Config){detect}, change...)...), container}
}

// fleet starts r replicas with crash detection that share the shards, and returns them after a while, in the order of
// their Leases.
func (w *world) fleet(r int, grace time.Duration, change ...func(*elector.Config)) []*contained {
	w.t.Helper()
	all := make([]*contained, r)
	for i := range all {
		all[i] = w.contained(fmt.Sprint("r", i), grace, change...)
		all[i].start()
		w.settled(2*time.Second, members(all[:i+1])...)
	}
	slices.SortFunc(all, func(a, b *contained) int {
		if a.view.self < b.view.self {
			return -1
		}
		return 1
	})
	w.pass(time.Minute)
	return all
}

func members(all []*contained) []*member {
	some := make([]*member, len(all))
	for i, c := range all {
		some[i] = c.member
	}
	return some
}

// without returns all but some.
func without(all []*contained, some ...*contained) []*contained {
	return slices.DeleteFunc(slices.Clone(all), func(c *contained) bool { return slices.Contains(some, c) })
}

// kill makes the process die in mid-air.
func (c *contained) kill() {
	c.client.Partition()
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	c.dead = true
	for i, owner := range c.w.owner {
		if owner == c.member {
			delete(c.w.owner, i)
			c.w.since[i] = time.Now()
		}
	}
}

// report makes the kubelet write a report about the replica's container.
func (c *contained) report(r leasetest.Report) {
	c.w.t.Helper()
	if err := c.container.Report(r); err != nil {
		c.w.t.Fatal(err)
	}
}

// ends makes the process die, and the kubelet report it.
func (c *contained) ends() {
	c.w.t.Helper()
	c.kill()
	c.report(leasetest.Exited(137))
}

// renewed returns when the replica's session was renewed last.
func (c *contained) renewed() time.Time { return c.w.sessionLease(c.id).Spec.RenewTime.Time }

// podRequests records the replica's requests about Pods, and lets fault decide about them unless it is nil.
func (c *contained) podRequests(fault func(leasetest.Op) leasetest.Fault) (taken func() []string) {
	var mu sync.Mutex
	var what []string
	c.client.Intercept(func(op leasetest.Op) (f leasetest.Fault) {
		if op.Resource != "pods" {
			return f
		}
		mu.Lock()
		what = append(what, op.Verb+" "+op.Name)
		mu.Unlock()
		if fault != nil {
			f = fault(op)
		}
		return f
	})
	return func() []string {
		mu.Lock()
		defer mu.Unlock()
		took := what
		what = nil
		return took
	}
}
