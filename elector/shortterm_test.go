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
	for name, end := range shortTerms {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				a, log := w.talking("a", slog.LevelInfo)
				recorder := &recorder{FakeRecorder: events.NewFakeRecorder(1000)}
				a.config.EventRecorder = recorder
				a.client.Latency(2*time.Millisecond, 2*time.Millisecond)
				a.start()
				for minute := range 2 {
					w.server.ResetRequests()
					terms, lines, told := w.log.count("a started"), len(log.lines(t)), len(recorder.Events)
					for range 3000 {
						time.Sleep(20 * time.Millisecond)
						end(w)
					}
					terms, lines, told = w.log.count("a started")-terms, len(log.lines(t))-lines, len(recorder.Events)-told
					most := 10
					if minute == 0 {
						most = 12 // a few terms follow each other at first
					}
					if terms < 1 || terms > 4 || lines > most || told > 10 || w.server.Requests("a", "") > 32 {
						t.Errorf("minute %d: %d terms, %d lines, %d Events, %d requests", minute+1, terms, lines, told, w.server.Requests("a", ""))
					}
				}
				// Once it is left alone it leads within half a minute, and the past is forgotten.
				a.leads(longestSlow + time.Second)
				time.Sleep(longestSlow)
				end(w)
				synctest.Wait()
				a.leads(50 * time.Millisecond)
			})
		})
	}
}
