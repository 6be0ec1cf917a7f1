// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"maps"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kube-elector/elector/elector/internal/lease"
	"github.com/kube-elector/elector/elector/leasetest"
)

func annotated(annotations map[string]string) func(*Config) {
	return func(c *Config) { c.Annotations = annotations }
}

func TestAFollowerKnowsTheLeadersData(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		b := w.candidate("b", annotated(map[string]string{"example.com/address": "10.0.0.2"}))
		if l, ok := b.Leader(); ok {
			t.Errorf("before Start: %+v", l)
		}
		a := w.candidate("a", annotated(map[string]string{"example.com/address": "10.0.0.1", "example.com/version": "v1"})).start()
		a.leads(time.Second)
		term, _ := a.Term()
		told := Leader{}
		b.callbacks.OnNewLeader = nil
		b.announcer.call = func(string) { told, _ = b.Leader() }
		b.announcer.wake = make(chan struct{}, 1)
		b.start()
		synctest.Wait()
		for name, l := range map[string]Leader{"in OnNewLeader": told, "of itself": leaderOf(t, a), "of the leader": leaderOf(t, b)} {
			if l.Identity != "a" || l.Token != term.Token || l.Transitions != term.Transitions || l.Lapsed ||
				l.Since.Sub(term.AcquiredAt).Abs() > time.Millisecond ||
				!maps.Equal(l.Annotations, map[string]string{"example.com/address": "10.0.0.1", "example.com/version": "v1"}) {
				t.Errorf("%s: %+v, want what is in %+v", name, l, term)
			}
		}

		a.stop() // and b replaces all that a has written
		b.leads(time.Second)
		c := w.candidate("c").start()
		synctest.Wait()
		if l := leaderOf(t, c); l.Identity != "b" || !maps.Equal(l.Annotations, map[string]string{"example.com/address": "10.0.0.2"}) {
			t.Errorf("of the next leader: %+v", l)
		}
		if v, ok := w.lease().Annotations["example.com/version"]; ok {
			t.Errorf("a former leader's annotation is still there: %q", v)
		}
	})
}

func leaderOf(t *testing.T, c *candidate) Leader {
	t.Helper()
	l, ok := c.Leader()
	if !ok {
		t.Fatalf("%s knows of no leader", c.id)
	}
	return l
}

func TestAFollowerKnowsTheTokenBeforeTheFirstRenewal(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, b := w.candidate("a"), w.candidate("b")
		told := map[string]Token{} // what a knows when it is told of a leader
		a.announcer = newAnnouncer(func(id string) {
			l, _ := a.Leader()
			told[id] = l.Token
		})
		refuseUpdates(a)
		b.client.Latency(50*time.Millisecond, 50*time.Millisecond) // the claim is seen 100 ms before the first renewal
		a.start()
		b.start()
		b.leads(time.Second)
		term, _ := b.Term()
		if told["b"] != term.Token || w.lease().Annotations[LeaderTokenAnnotation] != "" {
			t.Errorf("when told of b it knew %q, want %q; the Lease says %v", told["b"], term.Token, w.lease().Annotations)
		}
		time.Sleep(time.Second)
		if said := w.lease().Annotations[LeaderTokenAnnotation]; said != string(term.Token) || leaderOf(t, a).Token != term.Token {
			t.Errorf("after a renewal the Lease says %q, want %q", said, term.Token)
		}
	})
}

// refuseUpdates keeps a candidate from leading.
func refuseUpdates(c *candidate) {
	c.client.Intercept(func(op leasetest.Op) (f leasetest.Fault) {
		if op.Verb == "update" || op.Verb == "create" {
			f.Err = errVainConflict
		}
		return f
	})
}

func TestALeaderIsLapsedByTheFollowersClock(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.candidate("a").start()
		a.leads(time.Second)
		b := w.candidate("b")
		refuseUpdates(b)
		b.start()
		synctest.Wait()
		a.crash()
		time.Sleep(DefaultLeaseDuration - DefaultRetryPeriod - time.Millisecond)
		if l := leaderOf(t, b); l.Lapsed {
			t.Errorf("before its time has passed: %+v", l)
		}
		time.Sleep(DefaultRetryPeriod + time.Second)
		if l := leaderOf(t, b); !l.Lapsed || l.Identity != "a" || b.GetLeader() != "" {
			t.Errorf("after its time: %+v, GetLeader %q", l, b.GetLeader())
		}
	})
}

func TestAReleasedLeaseHasNoLeaderAndNoneOfItsData(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.candidate("a", annotated(map[string]string{"example.com/address": "10.0.0.1"})).start()
		a.leads(time.Second)
		w.edit(func(l *coordinationv1.Lease) { l.Annotations["others"] = "kept" })
		time.Sleep(time.Minute)
		a.stop()
		if err := a.result(time.Second); err != nil {
			t.Fatal(err)
		}
		if l, ok := a.Leader(); ok {
			t.Errorf("a leader: %+v", l)
		}
		left := w.lease().Annotations
		if len(left) != 2 || left["others"] != "kept" || left[LastTermAnnotation] == "" {
			t.Errorf("annotations left on the Lease: %v", left)
		}
	})
}

func TestWhatOthersDoToTheLeadersAnnotationsLastsUntilTheNextRenewal(t *testing.T) {
	for name, edit := range map[string]func(*coordinationv1.Lease){
		"removed": func(l *coordinationv1.Lease) { l.Annotations = nil },
		"replaced by an old copy": func(l *coordinationv1.Lease) {
			l.Annotations = map[string]string{
				WriterAnnotation: "old 2020-01-01T00:00:00.000000Z id", LeaderTokenAnnotation: "1",
				LeaderAnnotationsAnnotation: "example.com/old", "example.com/old": "1", "example.com/address": "old",
				LastTermAnnotation: `{"holder":"old","reason":"lapsed"}`, StepDownAnnotation: "1",
			}
		},
		"edited": func(l *coordinationv1.Lease) {
			l.Annotations[LeaderTokenAnnotation] = "999999"
			l.Annotations[LeaderAnnotationsAnnotation] = ",,x,"
			l.Annotations[LastTermAnnotation] = "{"
		},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				a := w.candidate("a", annotated(map[string]string{"example.com/address": "10.0.0.1"})).start()
				a.leads(time.Second)
				b := w.candidate("b").start()
				time.Sleep(time.Minute + time.Second)
				term, _ := a.Term()
				w.edit(edit)
				synctest.Wait()
				if l := leaderOf(t, b); l.Identity != "a" || l.Token != "" && l.Token != term.Token {
					t.Errorf("at once: %+v", l)
				}
				time.Sleep(DefaultRetryPeriod)
				synctest.Wait()
				l := leaderOf(t, b)
				if l.Token != term.Token || !maps.Equal(l.Annotations, map[string]string{"example.com/address": "10.0.0.1"}) {
					t.Errorf("after a renewal: %+v", l)
				}
				if r := ReadLease(w.lease()); r.StepDown != "" || r.LastTerm != nil || !a.IsLeader() {
					t.Errorf("after a renewal the Lease says %+v", r)
				}
			})
		})
	}
}

func TestAnnotationsThatDoNotFitAreLeftOutAndLogged(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		note := map[string]string{"note": strings.Repeat("x", maxAnnotations-len("note")-200), "example.com/a": "theirs"}
		w.server.Put(&coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: testNamespace, Name: testLease, Annotations: note}})
		a := w.candidate("a", annotated(map[string]string{"example.com/a": strings.Repeat("x", 300)}))
		log := a.logged(0)
		a.start().leads(time.Second)
		time.Sleep(time.Minute)
		if l := w.lease().Annotations; l["example.com/a"] != "theirs" || l["note"] != note["note"] {
			t.Error("the others' annotations were changed")
		}
		if n := strings.Count(log.String(), "Config.Annotations are not on the Lease"); n != 1 {
			t.Errorf("logged %d times:\n%s", n, log)
		}
	})
}

func TestALeaderThatIsNoElectorHasNoToken(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.candidate("a", annotated(map[string]string{"example.com/a": "1"})).start()
		a.leads(time.Second)
		stop := clientGo(t, w.server.Client("plain"), "plain").start(t)
		b := w.candidate("b")
		a.stop()
		w.until(time.Minute, "plain leads", func() bool { return lease.Holder(w.lease()) == "plain" })
		b.start()
		time.Sleep(time.Minute)
		if l := leaderOf(t, b); l.Identity != "plain" || l.Token != "" || l.Annotations != nil || l.Transitions != 1 || l.Since.IsZero() {
			t.Errorf("got %+v", l)
		}
		stop()
		b.leads(time.Second)
		if r := ReadLease(w.lease()); r.LastTerm == nil || r.LastTerm.Holder != "plain" || r.LastTerm.Reason != EndReleased {
			t.Errorf("the Lease says %+v", r)
		}
	})
}

func TestTheLeadersDataCostsNoRequests(t *testing.T) {
	requests := func(annotations map[string]string) int64 {
		var n atomic.Int64
		inWorld(t, func(t *testing.T, w *world) {
			a := w.candidate("a", annotated(annotations))
			a.client.Intercept(func(leasetest.Op) (f leasetest.Fault) { n.Add(1); return f })
			a.start().leads(time.Second)
			time.Sleep(time.Minute + time.Second) // between two renewals
			a.stop()
			if err := a.result(time.Second); err != nil {
				t.Error(err)
			}
		})
		return n.Load()
	}
	if with, without := requests(map[string]string{"example.com/a": "1"}), requests(nil); with != without {
		t.Errorf("%d requests with annotations, %d without", with, without)
	}
}

func TestWithoutElectionTheReplicaKnowsItself(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.candidate("a", func(c *Config) { *c = Config{Identity: "a", Annotations: map[string]string{"x": "1"}} }).start()
		a.leads(time.Second)
		if l := leaderOf(t, a); l.Identity != "a" || l.Token != "" || l.Annotations["x"] != "1" || l.Lapsed {
			t.Errorf("got %+v", l)
		}
	})
}

func TestBadAnnotationsAreRefused(t *testing.T) {
	for want, annotations := range map[string]map[string]string{
		`Annotations: key "": name part must be non-empty`:                     {"": "x"},
		`Annotations: key "a b": name part must consist of`:                    {"a b": "x"},
		`Annotations: key "kube-elector.io/writer": the domain`:                {WriterAnnotation: "x"},
		`Annotations: key "a.kube-elector.io/b": the domain`:                   {"a.kube-elector.io/b": "x"},
		`Annotations: value of key "a": "\xff": must be valid UTF-8`:           {"a": "\xff"},
		`Annotations: 16385 bytes of keys and values: must be at most 16384`:   {"a": strings.Repeat("x", MaxAnnotations)},
		`Annotations: key "a,b": name part must consist of alphanumeric chara`: {"a,b": "x"},
	} {
		config := testConfig("a")
		config.Annotations = annotations
		if err := config.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	config := testConfig("a")
	config.Annotations = map[string]string{"a": strings.Repeat("x", MaxAnnotations-1)}
	if err := config.Validate(); err != nil {
		t.Error(err)
	}
	config.Annotations = map[string]string{"notkube-elector.io/B": "\x01 \"ü\n"}
	if err := config.Validate(); err != nil {
		t.Error(err)
	}
}
