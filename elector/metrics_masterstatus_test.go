// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/utils/ptr"

	"github.com/kube-elector/elector/elector/leasetest"
)

// masterStatus is the metric leader_election_master_status, as a metrics provider like controller-runtime's would keep
// it. client-go takes a provider once in a process, hence one for all tests.
type masterStatus struct {
	mu     sync.Mutex // guards status
	status map[string]bool
}

const statusLease = "with-status"

var status = &masterStatus{status: map[string]bool{}}

func (m *masterStatus) NewLeaderMetric() leaderelection.LeaderMetric { return m }
func (m *masterStatus) On(name string)                               { m.set(name, true) }
func (m *masterStatus) Off(name string)                              { m.set(name, false) }
func (m *masterStatus) SlowpathExercised(string)                     {}

func (m *masterStatus) set(name string, on bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.status[name] = on
}

func (m *masterStatus) is(name string) (on, known bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	on, known = m.status[name]
	return on, known
}

func TestAStandbyThatNeverLedShowsMasterStatusZero(t *testing.T) {
	leaderelection.SetProvider(status)
	inWorld(t, func(t *testing.T, w *world) {
		const name = "never-led"
		w.server.Put(foreignLease("x", nil)) // of another name: nobody leads the one below, and nobody may
		b := w.candidate("b", func(c *Config) { c.LeaseName = name })
		b.client.Fail(errors.New("no"), -1)
		b.start()
		synctest.Wait()
		if on, known := status.is(name); !known || on {
			t.Errorf("the status is on: %t, known: %t", on, known)
		}
	})
}

func TestMasterStatusIsOnWhileALikeNamedLeaseIsLed(t *testing.T) {
	leaderelection.SetProvider(status)
	inWorld(t, func(t *testing.T, w *world) {
		const name = "like-named"
		in := func(namespace string) func(*Config) {
			return func(c *Config) { c.LeaseName, c.LeaseNamespace = name, namespace }
		}
		is := func(want bool, when string) {
			t.Helper()
			synctest.Wait()
			if on, known := status.is(name); !known || on != want {
				t.Errorf("%s: the status is on: %t, known: %t", when, on, known)
			}
		}
		a := w.candidate("a", in("one")).start()
		a.leads(time.Second)
		is(true, "one leads")
		refused := w.server.Client("refused")
		refused.Intercept(func(op leasetest.Op) (f leasetest.Fault) {
			if op.Lease != nil {
				f.Err = errors.New("no")
			}
			return f
		})
		w.candidateOn(refused, "refused", in("two")).start()
		time.Sleep(time.Minute)
		is(true, "another claims in vain")
		b := w.candidate("b", in("three")).start()
		b.leads(time.Second)
		is(true, "two lead")
		a.stop()
		time.Sleep(time.Second)
		is(true, "the first has stopped")
		b.client.Partition()
		time.Sleep(20 * time.Second)
		is(false, "the second has lost its term")
	})
}

func TestClientGosMasterStatusIsKept(t *testing.T) {
	leaderelection.SetProvider(status)
	for name, end := range map[string]func(*world, *candidate){
		"Stop":     func(_ *world, c *candidate) { c.stop() },
		"StepDown": func(w *world, c *candidate) { go c.StepDown(w.t.Context()) }, //nolint:errcheck // watched from outside
		"Expiry":   func(_ *world, c *candidate) { c.client.Partition() },
		"Takeover": func(w *world, _ *candidate) {
			w.server.Edit(testNamespace, statusLease, func(l *leaseObject) { l.Spec.HolderIdentity = ptr.To("x") })
		},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				a := w.candidate("a", func(c *Config) { c.LeaseName = statusLease })
				a.start().leads(time.Second)
				time.Sleep(11 * time.Second)
				if on, known := status.is(statusLease); !known || !on {
					t.Errorf("a leader's status is on: %t, known: %t", on, known)
				}
				end(w, a)
				w.until(time.Minute, "the term ends", func() bool { return w.log.count("a stopped") == 1 })
				synctest.Wait()
				if on, _ := status.is(statusLease); on || a.IsLeader() {
					t.Error("the status is still on after the term's end")
				}
			})
		})
	}
}
