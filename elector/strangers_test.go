// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"log/slog"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

type leaseObject = coordinationv1.Lease

// memoryLog keeps what is logged.
type memoryLog struct {
	mu   sync.Mutex // guards text
	text strings.Builder
}

func (m *memoryLog) Write(p []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.text.Write(p)
}

func (m *memoryLog) String() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.text.String()
}

// logged makes the candidate log into memory, from this level on.
func (c *candidate) logged(level slog.Level) *memoryLog {
	m := &memoryLog{}
	c.logger = slog.New(slog.NewTextHandler(m, &slog.HandlerOptions{Level: level}))
	return m
}

func TestGuarantee8TwoProcessesWithOneIdentityNeverLeadTogether(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		first, second := w.candidate("same"), w.candidateOn(w.server.Client("second"), "same")
		log := second.logged(slog.LevelError)
		first.start().leads(time.Second)
		second.start()
		for range 600 {
			time.Sleep(time.Second)
			if first.IsLeader() && second.IsLeader() {
				t.Fatal("two leaders")
			}
		}
		if n := strings.Count(log.String(), "another process uses this Identity"); n != 1 {
			t.Errorf("said %d times in 10 minutes, want once:\n%s", n, log)
		}
		first.stop()
		second.leads(time.Second)
	})
}

func TestGuarantee8APlainClientGoCandidateWithOurIdentityIsFoundOut(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.candidate("same")
		log := a.logged(slog.LevelError)
		a.start().leads(time.Second)
		time.Sleep(700 * time.Millisecond) // or both would write the very same, at the very same time
		clientGo(t, w.server.Client("plain"), "same").start(t)
		// client-go takes the Lease for its own and rewrites it at once; we must see that it is not our writing.
		w.until(10*time.Second, "our term ends", func() bool { return !a.IsLeader() })
		w.wantOrder("same started", "same stopped")
		for range 120 {
			time.Sleep(time.Second)
			if a.IsLeader() {
				t.Fatal("two leaders")
			}
		}
		if !strings.Contains(log.String(), "another process uses this Identity") {
			t.Errorf("not said:\n%s", log)
		}
	})
}

func TestGuarantee8ARestartedProcessWaitsForItsOldRecord(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		old := w.candidate("same").start()
		old.leads(time.Second)
		time.Sleep(time.Minute)
		renewed := w.lastRenewal()
		old.crash()
		restarted := w.candidateOn(w.server.Client("restarted"), "same")
		log := restarted.logged(slog.LevelWarn)
		restarted.start()
		time.Sleep(5 * time.Second)
		w.edit(func(l *coordinationv1.Lease) { l.Labels = map[string]string{"edited": "yes"} }) // no sign of life
		restarted.leads(time.Minute)
		if after := time.Since(renewed); after < DefaultLeaseDuration {
			t.Errorf("leads %v after the old record's last renewal", after)
		}
		if log.String() != "" {
			t.Errorf("a normal restart was warned of:\n%s", log)
		}
	})
}

func TestGuarantee10RubbishInTheLease(t *testing.T) {
	now := func() *metav1.MicroTime { return &metav1.MicroTime{Time: time.Now()} }
	for name, spec := range map[string]func() coordinationv1.LeaseSpec{
		"empty":       func() coordinationv1.LeaseSpec { return coordinationv1.LeaseSpec{} },
		"holder only": func() coordinationv1.LeaseSpec { return coordinationv1.LeaseSpec{HolderIdentity: ptr.To("x")} },
		"huge numbers": func() coordinationv1.LeaseSpec {
			return coordinationv1.LeaseSpec{HolderIdentity: ptr.To("x"), RenewTime: now(),
				LeaseDurationSeconds: ptr.To[int32](math.MaxInt32), LeaseTransitions: ptr.To[int32](math.MaxInt32)}
		},
		"negative numbers": func() coordinationv1.LeaseSpec {
			return coordinationv1.LeaseSpec{HolderIdentity: ptr.To("x"), RenewTime: now(),
				LeaseDurationSeconds: ptr.To[int32](-1), LeaseTransitions: ptr.To[int32](-1)}
		},
		"the year 2099": func() coordinationv1.LeaseSpec {
			future := &metav1.MicroTime{Time: time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC)}
			return coordinationv1.LeaseSpec{HolderIdentity: ptr.To("x"), RenewTime: future, AcquireTime: future}
		},
		"the year 1970": func() coordinationv1.LeaseSpec {
			past := &metav1.MicroTime{Time: time.Unix(0, 0)}
			return coordinationv1.LeaseSpec{HolderIdentity: ptr.To("x"), RenewTime: past, AcquireTime: past}
		},
		"a holder of 1 MiB": func() coordinationv1.LeaseSpec {
			return coordinationv1.LeaseSpec{HolderIdentity: ptr.To(strings.Repeat("x", 1<<20)), RenewTime: now()}
		},
		"our name": func() coordinationv1.LeaseSpec {
			return coordinationv1.LeaseSpec{HolderIdentity: ptr.To("a"), RenewTime: now()}
		},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				rubbish := func() {
					w.server.Put(&coordinationv1.Lease{
						ObjectMeta: metav1.ObjectMeta{Namespace: testNamespace, Name: testLease}, Spec: spec()})
				}
				rubbish()
				a := w.candidate("a")
				log := a.logged(slog.LevelDebug)
				a.start().leads(MaxLeaseDuration + time.Second)
				term, _ := a.Term()
				rubbish() // while leading
				synctest.Wait()
				if term.Remaining() > 0 {
					t.Error("leads on over a record it has not written")
				}
				if n := log.String(); len(n) > 64<<10 {
					t.Errorf("%d bytes of log", len(n))
				}
				a.leads(MaxLeaseDuration + time.Second)
			})
		})
	}
}
