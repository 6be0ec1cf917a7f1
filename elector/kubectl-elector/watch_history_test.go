// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/ptr"

	"github.com/kube-elector/elector/elector/leasetest"
)

// watched runs the command watch in a bubble, whose lines come without their times.
type watched struct {
	server *leasetest.Server
	client *leasetest.Client
	s      *session
	out    *strings.Builder
	stop   context.CancelCauseFunc
	done   chan error
}

func watching(t *testing.T, server *leasetest.Server, width int) *watched {
	t.Helper()
	w := &watched{server: server, client: server.Client("kubectl"), out: &strings.Builder{}, done: make(chan error, 1)}
	w.s = newSession(newOptions(), w.out, w.out)
	w.s.client, w.s.namespace, w.s.width = w.client, "ns", width
	ctx, stop := context.WithCancelCause(t.Context())
	w.stop = stop
	go func() { w.done <- w.s.watch(ctx, "operator") }()
	synctest.Wait()
	return w
}

// end interrupts the command, and returns what it has printed.
func (w *watched) end(t *testing.T) []string {
	t.Helper()
	synctest.Wait()
	w.stop(nil)
	if err := <-w.done; err != nil {
		t.Errorf("an interrupted watch returned %v", err)
	}
	var lines []string
	for line := range strings.Lines(w.out.String()) {
		if len(line) > 14 && line[2] == ':' {
			line = line[14:]
		}
		lines = append(lines, strings.TrimSpace(line))
	}
	return lines
}

// put writes the Lease: of the holder, claimed and renewed at these times, counted from now.
func (w *watched) put(holder string, acquired, renewed time.Duration) {
	w.server.Put(leaseOf(holder, func(l *coordinationv1.Lease) {
		l.ResourceVersion = ""
		l.Spec.AcquireTime.Time, l.Spec.RenewTime.Time = time.Now().Add(acquired), time.Now().Add(renewed)
	}))
	synctest.Wait()
}

func wantLines(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("printed\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestWatchPrintsALineForEachChangeAndTheGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := leasetest.NewServer()
		w := watching(t, server, 0)
		time.Sleep(time.Minute)
		w.put("a", 0, 0)
		for n := range 10 { // renewals are no changes
			time.Sleep(2 * time.Second)
			w.put("a", -time.Duration(n+1)*2*time.Second, 0)
		}
		w.put("", 0, 0)
		time.Sleep(12 * time.Millisecond)
		w.put("b", 0, 0)
		time.Sleep(time.Second)
		w.put("c", 0, 0) // written by hand, say
		wantLines(t, w.end(t), "missing   there is no such Lease", "leads     a", "released  a",
			"leads     b  12ms after release", "leads     c  1.0s after renewal")
	})
}

func TestWatchSaysThatTheHolderDoesNotRenew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := leasetest.NewServer()
		w := watching(t, server, 0)
		w.put("a", 0, 0)
		time.Sleep(20 * time.Second)
		w.put("b", 0, 0)
		wantLines(t, w.end(t), "missing   there is no such Lease", "leads     a", "lapsed    a  not renewed for 15s",
			"leads     b  20s after renewal")
	})
}

func TestWatchOutlivesWatchesThatEndOrExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := leasetest.NewServer()
		server.WatchTimeout(time.Minute)
		w := watching(t, server, 0)
		w.put("a", 0, 0)
		acquired := time.Now()
		renew := func() { w.put("a", -time.Since(acquired), 0) }
		for range 60 {
			time.Sleep(10 * time.Second) // in all ten minutes: ten watches
			renew()
		}
		server.Compact()
		w.client.ExpireWatches()
		time.Sleep(5 * time.Second)
		renew()
		w.client.CutWatches()
		time.Sleep(5 * time.Second)
		w.put("", 0, 0)
		time.Sleep(10 * time.Millisecond)
		w.put("b", 0, 0)
		server.Delete("ns", "operator")
		wantLines(t, w.end(t), "missing   there is no such Lease", "leads     a", "released  a",
			"leads     b  10ms after release", "deleted")
	})
}

func TestWatchGoesOnWhenTheAPIServerWasAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := leasetest.NewServer()
		w := watching(t, server, 0)
		w.put("a", 0, 0)
		w.client.Fail(apierrors.NewServiceUnavailable("away"), 5)
		w.client.CutWatches()
		time.Sleep(time.Minute)
		w.put("b", 0, 0)
		got := w.end(t)
		if len(got) < 4 || !slices.ContainsFunc(got, func(l string) bool { return strings.Contains(l, "trying again") }) ||
			!slices.Contains(got, "The Lease is watched again.") || !slices.Contains(got, "leads     b  60s after renewal") {
			t.Errorf("printed\n%s", strings.Join(got, "\n"))
		}
	})
}

func TestTroubleWithTheWatchAloneIsToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := leasetest.NewServer()
		left := 10
		server.Client("kubectl").Intercept(func(op leasetest.Op) leasetest.Fault {
			if left--; op.Verb == "watch" && left > 0 {
				return leasetest.Fault{Err: apierrors.NewInternalError(errors.New("no watches today"))}
			}
			return leasetest.Fault{}
		})
		w := watching(t, server, 0)
		time.Sleep(time.Minute)
		got := strings.Join(w.end(t), "\n")
		if strings.Count(got, "trying again") != 1 || strings.Count(got, "is watched again") != 1 {
			t.Errorf("printed\n%s", got)
		}
	})
}

func TestWatchEndsIfItIsNotPermitted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := leasetest.NewServer()
		client := server.Client("kubectl")
		client.Fail(apierrors.NewForbidden(schema.GroupResource{Resource: "leases"}, "operator", errors.New(`User "jane" cannot get resource "leases"`)), 1)
		w := watching(t, server, 0)
		if err := <-w.done; err == nil || !strings.Contains(err.Error(), `missing permission to get leases.coordination.k8s.io "operator" in namespace "ns"`) {
			t.Errorf("got %v", err)
		}
		w.stop(nil)
	})
}

func TestTheFirstLineComesFromTheTimesInTheLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := leasetest.NewServer()
		before := &watched{server: server}
		before.put("a", -time.Hour, -time.Minute)
		w := watching(t, server, 0)
		time.Sleep(time.Second)
		w.put("b", 0, 0)
		wantLines(t, w.end(t), "leads     a  for 60m", "lapsed    a  not renewed for 60s", "leads     b  61s after renewal")
	})
}

func TestLinesOfWatchFitTheTerminal(t *testing.T) {
	long := event{
		Time: noon, Event: evLeads, Holder: "beacon-operator-7d4b9c6f5-x2x4p_0f8fad5b-d9cb-469f-a165-70867728950e",
		Token: "80211", gap: span{true, 12 * time.Millisecond}, GapFrom: "release",
	}
	for width, want := range map[int]string{
		0:   "12:00:00.000  leads     beacon-operator-7d4b9c6f5-x2x4p_0f8fad5b-d9cb-469f-a165-70867728950e  12ms after release, token 80211",
		80:  "12:00:00.000  leads     beacon-operator-7d4b9c6f5-x2x4p_…  12ms after release",
		60:  "12:00:00.000  leads     beacon-…-x2x4p_…  12ms after release",
		140: "12:00:00.000  leads     beacon-operator-7d4b9c6f5-x2x4p_0f8fad5b-d9cb-469f-a165-70867728950e  12ms after release, token 80211",
	} {
		if got := long.line(width, false); got != want {
			t.Errorf("at %d columns:\n%s\nwant\n%s", width, got, want)
		}
	}
}

func TestWatchPrintsALineOfJSONForEachEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := leasetest.NewServer()
		w := watching(t, server, 0)
		w.s.options.output = "json"
		w.put("a", 0, 0)
		time.Sleep(time.Second)
		w.put("", 0, 0)
		time.Sleep(time.Second)
		w.put("b", 0, 0)
		synctest.Wait()
		lines := strings.Split(strings.TrimSpace(w.out.String()), "\n")
		var last event
		if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil || last.Event != evLeads || last.Holder != "b" ||
			ptr.Deref(last.GapSeconds, 0) != 1 || last.GapFrom != "release" {
			t.Errorf("%s: %+v, %v", w.out, last, err)
		}
		w.end(t)
	})
}
