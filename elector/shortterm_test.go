// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/ptr"
)

// shortTerms are ways in which terms can end as soon as they begin.
var shortTerms = map[string]func(w *world){
	"deleted": func(w *world) { w.server.Delete(testNamespace, testLease) },
	"blanked": func(w *world) {
		w.edit(func(l *coordinationv1.Lease) { l.Spec.HolderIdentity = nil })
	},
	"taken by another and blanked": func(w *world) {
		w.edit(func(l *coordinationv1.Lease) { l.Spec.HolderIdentity = ptr.To("x") })
		w.edit(func(l *coordinationv1.Lease) { l.Spec.HolderIdentity = nil })
	},
}

func TestTermsThatEndAtOnceAreSpacedOut(t *testing.T) {
	periods := map[string]func(*Config){
		"": func(*Config) {}, ", short periods": durations(3*time.Second, 2*time.Second, 500*time.Millisecond),
		", long periods": durations(137*time.Second, 107*time.Second, 26*time.Second),
	}
	for name, end := range shortTerms {
		for period, change := range periods {
			t.Run(name+period, func(t *testing.T) {
				inWorld(t, func(t *testing.T, w *world) { w.shortTerms(end, change) })
			})
		}
	}
}

func (w *world) shortTerms(end func(*world), change func(*Config)) {
	t := w.t
	a, log := w.talking("a", slog.LevelInfo, change)
	recorder := &recorder{FakeRecorder: events.NewFakeRecorder(1000)}
	a.config.EventRecorder = recorder
	a.client.Latency(2*time.Millisecond, 2*time.Millisecond)
	a.start()
	apart := a.config.betweenTerms()
	for minute := range 3 {
		w.server.ResetRequests()
		terms, lines, told := w.log.count("a started"), len(log.lines(t)), len(recorder.Events)
		for range 3000 {
			time.Sleep(20 * time.Millisecond)
			end(w)
		}
		terms, lines, told = w.log.count("a started")-terms, len(log.lines(t))-lines, len(recorder.Events)-told
		most, least := 10, 1
		switch {
		case minute == 0:
			most = 12 // a few terms follow each other at first
		case apart > time.Minute:
			least = 0
		}
		if terms < least || terms > 4 || lines > most || told > 10 || w.server.Requests("a", "") > 32 {
			t.Errorf("minute %d: %d terms, %d lines, %d Events, %d requests", minute+1, terms, lines, told, w.server.Requests("a", ""))
		}
	}
	// Once it is left alone it leads soon, and the past is forgotten.
	a.leads(apart + time.Second)
	time.Sleep(apart)
	end(w)
	synctest.Wait()
	a.leads(50 * time.Millisecond)
}
