// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"context"
	"log/slog"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/ptr"

	"github.com/kube-elector/elector/elector/internal/crash"
	"github.com/kube-elector/elector/elector/leasetest"
)

func TestAStandbyLeadsAtOnceWhenTheLeadersContainerHasEnded(t *testing.T) {
	for _, r := range leasetest.TrueReports() {
		t.Run(r.Name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				a, b := w.led(atOnce)
				term, _ := a.Term()
				a.crash()
				time.Sleep(700 * time.Millisecond)
				a.report(r)
				b.leadsAfter(0)
				next, _ := b.Term()
				if order, err := next.Token.Compare(term.Token); err != nil || order <= 0 {
					t.Errorf("token %s after %s", next.Token, term.Token)
				}
				last := ReadLease(w.lease()).LastTerm
				if last == nil || last.Reason != EndCrashed || last.Holder != "a" || last.Token != term.Token || !strings.HasPrefix(last.Message, "its container has ended: exit code ") {
					t.Errorf("the Lease says %+v", last)
				}
			})
		})
	}
}

func TestAFalseReportBringsNoStandbyForward(t *testing.T) {
	for _, r := range leasetest.FalseReports() {
		t.Run(r.Name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				a, b := w.led(atOnce)
				term, _ := a.Term()
				a.report(r)
				time.Sleep(time.Minute)
				if now, ok := a.Term(); !ok || now != term || b.IsLeader() {
					t.Errorf("the leader lives and was replaced\n%s", w.log)
				}
				renewed := w.lease().Spec.RenewTime.Time
				a.crash() // and is not believed to be dead any sooner
				b.leads(time.Minute)
				if took := time.Since(renewed); took < DefaultLeaseDuration || took > DefaultLeaseDuration+time.Millisecond {
					t.Errorf("claimed %v after the last renewal, want LeaseDuration", took)
				}
			})
		})
	}
}

func TestTheGraceIsWaitedAfterTheReport(t *testing.T) {
	for name, test := range map[string]struct{ grace, want time.Duration }{
		"default": {0, DefaultLeaseDuration - DefaultRenewDeadline},
		"given":   {2 * time.Second, 2 * time.Second},
		"none":    {atOnce, 0},
		// The last renewal was a second before, but for the milliseconds that starting took.
		"longer than the Lease": {time.Hour, DefaultLeaseDuration - time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				a, b := w.led(test.grace)
				a.ends()
				test.want = min(test.want, DefaultLeaseDuration-time.Since(w.lease().Spec.RenewTime.Time))
				b.leadsAfter(test.want)
			})
		})
	}
}

func TestTheGraceIsNotWaitedWhereLateRequestsAreRefused(t *testing.T) {
	for _, refused := range []bool{true, false} {
		inWorld(t, func(t *testing.T, w *world) {
			asked := 0
			a, b := w.led(0, func(c *Config) {
				c.CrashDetection.Fenced = func(ctx context.Context) bool {
					asked++
					deadline, ok := ctx.Deadline()
					if left := time.Until(deadline); !ok || left > 5*time.Second {
						t.Errorf("Fenced may take %v", left)
					}
					return refused
				}
			})
			a.ends()
			want := 5 * time.Second
			if refused {
				want = 0
			}
			b.leadsAfter(want)
			if asked != 1 {
				t.Errorf("asked %d times", asked)
			}
		})
	}
}

// A container that ends and starts again may report its end when the next process in it leads already.
func TestAnOldReportIsNotBelievedOfTheNextProcess(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, b := w.led(time.Hour) // so that the restarted one is first
		a.ends()
		if err := a.container.Restart(); err != nil {
			t.Fatal(err)
		}
		b.stop()
		again := w.in(a.container, "a2", atOnce).start()
		again.leads(time.Second)
		c := w.contained("c", atOnce)
		c.start()
		time.Sleep(time.Minute)
		if !again.IsLeader() || c.IsLeader() {
			t.Errorf("the next process in the container was replaced\n%s", w.log)
		}
	})
}

func TestAProcessFindsItsPredecessorsEndInItsOwnPod(t *testing.T) {
	for _, identity := range []string{"a", "another"} {
		inWorld(t, func(t *testing.T, w *world) {
			a := w.contained("a", atOnce)
			a.start()
			a.leads(time.Second)
			time.Sleep(time.Minute)
			a.ends()
			if err := a.container.Restart(); err != nil {
				t.Fatal(err)
			}
			again := contained{w.candidateOn(w.server.Client("again"), identity, func(c *Config) {
				c.CrashDetection = &CrashDetection{TerminationLog: a.container.TerminationLog(), Grace: atOnce}
			}), a.container}
			again.start()
			again.leadsAfter(0)
			if last := ReadLease(w.lease()).LastTerm; last == nil || last.Reason != EndCrashed {
				t.Errorf("the Lease says %+v", last)
			}
		})
	}
}

// The holder that is dead is the one that the record names, and not the one whose record was replaced.
func TestAReportAboutARestoredRecordDoesNotFreeThePresentHoldersLease(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, b := w.led(atOnce)
		old := w.lease()
		a.ends()
		b.leadsAfter(0)
		c := w.contained("c", atOnce)
		c.start()
		time.Sleep(time.Minute + time.Second)
		b.crash()
		renewed := w.lease().Spec.RenewTime.Time
		w.server.Reapply(old)
		c.leads(time.Minute)
		if took := time.Since(renewed); took < DefaultLeaseDuration {
			t.Errorf("claimed %v after the last renewal of a leader that may live", took)
		}
	})
}

// Somebody has taken the Lease from a leader that is dead. The rest of the record is the leader's.
func TestAHolderThatWasWrittenByHandIsNotDead(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, b := w.led(atOnce)
		a.crash()
		w.edit(func(l *coordinationv1.Lease) { l.Spec.HolderIdentity = ptr.To("somebody") })
		a.report(leasetest.Exited(137))
		c := w.contained("c", atOnce)
		c.start()
		time.Sleep(DefaultLeaseDuration - time.Second)
		if b.IsLeader() || c.IsLeader() {
			t.Errorf("the Lease of another holder was taken\n%s", w.log)
		}
		time.Sleep(2 * time.Second)
		if b.IsLeader() == c.IsLeader() {
			t.Errorf("nobody leads when it has lapsed, or both do\n%s", w.log)
		}
	})
}

// client-go keeps the annotations of a Lease that it claims or renews, whose record is its own then.
func TestARecordWithTheAnnotationsOfAnotherNamesNoProcess(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.contained("a", atOnce)
		a.start()
		a.leads(time.Second)
		a.crash()
		w.edit(func(l *coordinationv1.Lease) {
			l.Spec.RenewTime = ptr.To(metav1.NewMicroTime(time.Now().Add(time.Second)))
		})
		a.report(leasetest.Exited(137))
		b := w.contained("b", atOnce)
		b.start()
		b.leadsAfter(DefaultLeaseDuration)
	})
}

func TestWhatIsKnownOfTheHoldersEndOutlastsEdits(t *testing.T) {
	for name, edit := range map[string]func(w *world){
		"a label":     func(w *world) { w.edit(func(l *coordinationv1.Lease) { l.Labels = map[string]string{"x": "y"} }) },
		"annotations": func(w *world) { w.edit(func(l *coordinationv1.Lease) { l.Annotations = nil }) },
		"deletion":    func(w *world) { w.server.Delete(testNamespace, testLease) },
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				a, b := w.led(2 * time.Second)
				a.ends()
				time.Sleep(time.Second)
				edit(w)
				b.leadsAfter(time.Second)
			})
		})
	}
}

func TestTheNonceIsKnownToTheLeaseAndTheLogAlone(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		recorder := &recorder{FakeRecorder: events.NewFakeRecorder(100)}
		a := w.contained("a", 0, func(c *Config) { c.EventRecorder = recorder })
		b := w.contained("b", 0, func(c *Config) { c.EventRecorder = recorder })
		logs := []*memoryLog{a.logged(slog.LevelDebug - 100), b.logged(slog.LevelDebug - 100)}
		a.clientLogger, b.clientLogger = newClientLogger(a.logger), newClientLogger(b.logger)
		a.start()
		a.leads(time.Second)
		b.start()
		time.Sleep(time.Minute)
		instance, _ := crash.Parse(w.lease().Annotations[ContainerAnnotation])
		nonce := string(instance.Nonce)
		if text, err := os.ReadFile(a.container.TerminationLog()); err != nil || nonce == "" || string(text) != nonce {
			t.Errorf("the Lease says %q, the log %q, %v", nonce, text, err)
		}
		a.ends()
		b.leads(time.Minute)
		w.edit(func(l *coordinationv1.Lease) { l.Spec.HolderIdentity = nil })
		time.Sleep(time.Minute)
		b.stop()
		synctest.Wait()
		for _, text := range append([]string{logs[0].String(), logs[1].String()}, recorder.recorded()...) {
			if strings.Contains(text, nonce) {
				t.Errorf("the nonce %s is in\n%s", nonce, text)
			}
		}
		if !strings.Contains(logs[1].String(), `msg="the leader's container has ended"`) {
			t.Errorf("the log does not say why:\n%s", logs[1])
		}
		if _, left := w.lease().Annotations[ContainerAnnotation]; left {
			t.Error("the annotation outlasts the release")
		}
	})
}
