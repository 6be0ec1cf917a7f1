// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/ptr"
)

// recorder is a FakeRecorder whose lines have the action and the kind, too. It remembers what the last Event was about.
type recorder struct {
	*events.FakeRecorder
	about *corev1.ObjectReference
}

func (r *recorder) Eventf(regarding, related runtime.Object, kind, reason, action, note string, args ...any) {
	r.about, _ = regarding.(*corev1.ObjectReference)
	note = action + " " + note + " {" + regarding.GetObjectKind().GroupVersionKind().String() + "}"
	r.FakeRecorder.Eventf(regarding, related, kind, reason, action, note, args...)
}

// recording makes a candidate with a recorder of its own.
func (w *world) recording(id string) (*candidate, *recorder) {
	r := &recorder{FakeRecorder: events.NewFakeRecorder(100)}
	return w.candidateOn(w.server.Client(id), id, func(c *Config) { c.EventRecorder = r }), r
}

// recorded returns the Events since the last call.
func (r *recorder) recorded() (all []string) {
	for {
		select {
		case e := <-r.Events:
			all = append(all, e)
		default:
			return all
		}
	}
}

// onALease is how a recorder ends its lines.
const onALease = " {coordination.k8s.io/v1, Kind=Lease}"

func wantEvents(t *testing.T, got []string, want ...string) {
	t.Helper()
	for i := range want {
		want[i] += onALease
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

func TestTermsAreRecordedAsEventsOnTheLease(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, ofA := w.recording("a")
		b, ofB := w.recording("b")
		a.start().leads(time.Second)
		b.start()
		synctest.Wait()
		wantEvents(t, ofA.recorded(), "Normal LeaderElection BecomeLeader a became leader")
		if ref, l := ofA.about, w.lease(); ref == nil || ref.Namespace != l.Namespace || ref.Name != l.Name || ref.UID != l.UID {
			t.Errorf("about %+v, want the Lease of UID %s", ref, l.UID)
		}
		w.edit(func(l *leaseObject) { l.Spec.HolderIdentity = ptr.To("x") })
		synctest.Wait()
		wantEvents(t, ofA.recorded(), "Warning LeaderElection StopLeading a stopped leading: lease taken over")
		time.Sleep(10 * time.Minute) // in which one of the two leads and renews
		if got := append(ofA.recorded(), ofB.recorded()...); len(got) != 1 || !strings.Contains(got[0], "became leader") {
			t.Errorf("got %q, want the one of the next leader", got)
		}
	})
}

func TestADuplicateIdentityIsRecordedAsAWarning(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		first, events := w.recording("same")
		first.start().leads(time.Second)
		w.candidateOn(w.server.Client("second"), "same").start()
		time.Sleep(time.Minute + time.Second) // between two renewals
		if got := events.recorded(); len(got) != 1 {
			t.Errorf("the first got %q, which has seen nobody else", got)
		}
		w.edit(func(l *leaseObject) { l.Spec.RenewTime.Time = l.Spec.RenewTime.Add(time.Millisecond) }) // by another process
		synctest.Wait()
		wantEvents(t, events.recorded(), "Warning LeaderElection StopLeading same stopped leading: lease taken over")
		w.edit(func(l *leaseObject) { l.Spec.RenewTime.Time = l.Spec.RenewTime.Add(time.Millisecond) }) // and goes on
		synctest.Wait()
		wantEvents(t, events.recorded(), "Warning DuplicateIdentity StandBy another process uses the identity same")
	})
}

func TestWithoutAnElectionNothingIsRecorded(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		r := &recorder{FakeRecorder: events.NewFakeRecorder(100)}
		a := w.candidate("a", func(c *Config) { c.Enabled, c.EventRecorder = false, r }).start()
		a.leads(time.Second)
		a.stop()
		if err := a.result(time.Second); err != nil {
			t.Error(err)
		}
		if got := r.recorded(); len(got) > 0 { // there is no Lease it could be about
			t.Errorf("got %q", got)
		}
	})
}
