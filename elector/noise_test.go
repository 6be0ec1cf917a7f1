// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kube-elector/elector/elector/leasetest"
)

func TestACandidateThatMayNotClaimSaysSoOnceAndGoesOnTrying(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, log := w.talking("a", levelAll)
		forbidden := apierrors.NewForbidden(schema.GroupResource{Resource: "leases"}, testLease, errors.New("no RoleBinding"))
		a.client.Intercept(func(op leasetest.Op) leasetest.Fault {
			if op.Lease == nil {
				return leasetest.Fault{}
			}
			return leasetest.Fault{Err: forbidden}
		})
		a.start()
		time.Sleep(reminder - time.Second)
		lines := log.lines(t)
		if loud := from(slog.LevelWarn, lines); len(loud) != 1 || loud[0].Level != slog.LevelWarn ||
			loud[0].Msg != "cannot claim the Lease" || !strings.Contains(loud[0].Err, "no RoleBinding") {
			t.Errorf("warned %+v, want one line with the reason", loud)
		}
		if n := len(from(slog.LevelInfo, lines)); n > 3 {
			t.Errorf("%d lines from Info on, want few", n)
		}
		if n := w.server.Requests("a", "create"); n < 10 || n > 40 {
			t.Errorf("%d claims in 10 minutes, want some at first and then two a minute at most", n)
		}
		time.Sleep(2 * longestSlow) // a claim is preceded by a read
		if n := len(from(slog.LevelWarn, log.lines(t))); n != 2 {
			t.Errorf("warned %d times after %v, want a reminder", n, reminder)
		}
		a.client.Heal()
		a.leads(time.Minute)
	})
}

func TestNothingIsWarnedOfInACleanLife(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, aLog := w.talking("a", slog.LevelInfo)
		b, bLog := w.talking("b", slog.LevelInfo)
		a.start().leads(time.Second)
		b.start()
		time.Sleep(time.Hour) // watches end and are opened again
		if err := a.StepDown(t.Context()); err != nil {
			t.Fatal(err)
		}
		b.leads(time.Second)
		time.Sleep(time.Hour)
		b.stop()
		if err := b.result(time.Second); err != nil {
			t.Fatal(err)
		}
		a.leads(time.Second)
		a.stop()
		if err := a.result(time.Second); err != nil {
			t.Fatal(err)
		}
		for id, log := range map[string]*memoryLog{"a": aLog, "b": bLog} {
			lines := log.lines(t)
			if loud := from(slog.LevelWarn, lines); len(loud) > 0 {
				t.Errorf("%s: %+v", id, loud)
			}
			if len(saying("leading", lines)) == 0 || len(saying("stopped leading", lines)) == 0 {
				t.Errorf("%s has not told of its terms:\n%s", id, log)
			}
		}
	})
}

func TestAnUneventfulHourIsAFewLines(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, aLog := w.talking("a", slog.LevelInfo)
		a.start().leads(time.Second)
		b, bLog := w.talking("b", slog.LevelInfo)
		b.start()
		time.Sleep(4 * time.Hour)
		for id, log := range map[string]*memoryLog{"leader": aLog, "standby": bLog} {
			if n := len(log.lines(t)); n == 0 || n > 6 {
				t.Errorf("the %s has logged %d lines in 4 hours, want its beginning and little more:\n%s", id, n, log)
			}
		}
	})
}

func TestAnHourWithoutTheAPIServerIsSomeLines(t *testing.T) {
	for name, fault := range map[string]func(*leasetest.Client){
		"refused": func(c *leasetest.Client) { c.Fail(errors.New("connection refused"), -1) },
		"silent":  (*leasetest.Client).Partition,
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				a, aLog := w.talking("a", slog.LevelInfo)
				a.start().leads(time.Second)
				b, bLog := w.talking("b", slog.LevelInfo)
				b.start()
				synctest.Wait()
				for _, c := range []*candidate{a, b} {
					fault(c.client)
					c.client.CutWatches()
				}
				time.Sleep(time.Hour)
				for id, log := range map[string]*memoryLog{"leader": aLog, "standby": bLog} {
					lines := log.lines(t)
					if len(from(slog.LevelWarn, lines)) == 0 {
						t.Errorf("the %s has not said that there is no API server", id)
					}
					if len(lines) > 30 {
						t.Errorf("the %s has logged %d lines:\n%s", id, len(lines), log)
					}
				}
				a.client.Heal()
				a.leads(time.Minute)
			})
		})
	}
}

func TestNothingIsWarnedOfWhenATermEndsWithinARenewal(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, log := w.talking("a", slog.LevelInfo)
		a.start().leads(time.Second)
		renewing := make(chan struct{})
		a.client.Intercept(func(op leasetest.Op) (fault leasetest.Fault) {
			if op.Verb == "update" && op.Lease.Spec.HolderIdentity != nil && *op.Lease.Spec.HolderIdentity != "" {
				fault.ReplyDelay = time.Second
				close(renewing)
			}
			return fault
		})
		<-renewing
		a.stop()
		if err := a.result(10 * time.Second); err != nil {
			t.Fatal(err)
		}
		if loud := from(slog.LevelWarn, log.lines(t)); len(loud) > 0 {
			t.Errorf("%+v", loud)
		}
	})
}
