// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/ptr"

	"github.com/kube-elector/elector/elector/internal/lease"
	"github.com/kube-elector/elector/elector/leasetest"
)

var (
	errRefused   = errors.New(`Get "https://10.0.0.1:443": dial tcp 10.0.0.1:443: connect: connection refused`)
	errForbidden = apierrors.NewForbidden(schema.GroupResource{Resource: "leases"}, testLease, errors.New("no RoleBinding"))
	errConflict  = apierrors.NewConflict(schema.GroupResource{Resource: "leases"}, testLease, errors.New("webhook says no"))
)

// warned returns the errors that are logged when failure after failure comes, one each interval, for as long as a
// duration.
func warned(interval, duration time.Duration, failure func(n int) error) (lines []string) {
	var t trouble
	for n, at := 0, time.Duration(0); at < duration; n, at = n+1, at+interval {
		if err := failure(n); t.failed(cannotRead, err, lease.Moment{Mono: at}) {
			lines = append(lines, fmt.Sprintf("%v %v", at, err))
		}
	}
	return lines
}

func TestTheLogNamesThePresentReason(t *testing.T) {
	reset := errors.New("connection reset by peer")
	for name, c := range map[string]struct {
		failure func(n int) error // each 2 s, for 15 minutes
		want    []string
	}{
		"one reason": {func(int) error { return errForbidden },
			[]string{fmt.Sprint("0s ", errForbidden), fmt.Sprint("10m0s ", errForbidden)}},
		"a second one": {func(n int) error {
			if n < 3 {
				return errRefused
			}
			return errForbidden
		}, []string{fmt.Sprint("0s ", errRefused), fmt.Sprint("6s ", errForbidden), fmt.Sprint("10m6s ", errForbidden)}},
		"the first one again": {func(n int) error {
			if n == 1 {
				return reset
			}
			return errRefused
		}, []string{fmt.Sprint("0s ", errRefused), fmt.Sprint("2s ", reset), fmt.Sprint("24s ", errRefused), fmt.Sprint("10m24s ", errRefused)}},
		"two in turn": {func(n int) error {
			if n%2 == 1 {
				return reset
			}
			return errRefused
		}, []string{fmt.Sprint("0s ", errRefused), fmt.Sprint("2s ", reset), fmt.Sprint("10m0s ", errRefused), fmt.Sprint("10m2s ", reset)}},
	} {
		if got := warned(2*time.Second, 15*time.Minute, c.failure); strings.Join(got, "\n") != strings.Join(c.want, "\n") {
			t.Errorf("%s: got\n%s\nwant\n%s", name, strings.Join(got, "\n"), strings.Join(c.want, "\n"))
		}
	}
}

func TestErrorsThatDifferInNumbersAreOneReason(t *testing.T) {
	for name, failure := range map[string]func(n int) error{
		"a port": func(n int) error {
			return fmt.Errorf("read tcp 10.0.0.7:%d->10.96.0.1:443: connection reset by peer", 40000+n)
		},
		"a request id": func(n int) error { return fmt.Errorf("server said no (request-id=%08x-cafe)", n) },
		"a time":       func(n int) error { return fmt.Errorf(`refused at "%v"`, time.Unix(int64(n), 0)) },
		"an API server's answer": func(n int) error {
			return apierrors.NewInternalError(fmt.Errorf("failed calling webhook: Post https://10.0.0.%d/v1: EOF", n))
		},
	} {
		if got := warned(2*time.Second, reminder, failure); len(got) != 1 {
			t.Errorf("%s: %d lines:\n%s", name, len(got), strings.Join(got, "\n"))
		}
	}
	if reasonOf(apierrors.NewInternalError(errors.New("no"))) == reasonOf(apierrors.NewServiceUnavailable("no")) {
		t.Error("two codes are one reason")
	}
}

func TestErrorsThatAreNeverTheSameDoNotFloodTheLog(t *testing.T) {
	letters := func(n int) string {
		return strings.Map(func(r rune) rune { return r - '0' + 'a' }, fmt.Sprint(n))
	}
	got := warned(100*time.Millisecond, time.Hour, func(n int) error { return errors.New(letters(n)) })
	if n := len(got); n < 60 || n > 100 {
		t.Errorf("%d lines in an hour, want one each %v", n, troubleSpacing)
	}
	// Each may be followed by one that says it is over.
	first := warned(100*time.Millisecond, time.Minute, func(n int) error { return errors.New(letters(n)) })
	if 2*len(first) > 10 {
		t.Errorf("%d lines in a minute", 2*len(first))
	}
}

func TestTheEndOfATroubleIsLoggedOnce(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, log := w.talking("a", slog.LevelInfo)
		a.client.Fail(errRefused, -1)
		a.start()
		time.Sleep(9 * time.Minute)
		a.client.Heal()
		a.leads(time.Minute)
		time.Sleep(time.Hour)
		lines := log.lines(t)
		for _, msg := range []string{"cannot watch the Lease, so taking it over is slower", "watching the Lease works again"} {
			if n := len(saying(msg, lines)); n != 1 {
				t.Errorf("%q is logged %d times:\n%s", msg, n, log)
			}
		}
		if !strings.Contains(log.String(), `"after":`) {
			t.Errorf("it is not logged how long it took:\n%s", log)
		}
	})
}

func TestARoughConnectionIsAFewLines(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, log := w.talking("a", slog.LevelInfo)
		var n atomic.Int64
		a.client.Intercept(func(leasetest.Op) (f leasetest.Fault) {
			if n.Add(1)%3 == 0 {
				f.Err = errRefused
			}
			return f
		})
		a.start()
		time.Sleep(time.Hour)
		if lines := log.lines(t); len(lines) > 40 {
			t.Errorf("%d lines in an hour:\n%s", len(lines), log)
		}
	})
}

func TestALostRenewalIsLoggedAndALostRaceOfOneIsNot(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, log := w.talking("a", slog.LevelInfo)
		a.start().leads(time.Second)
		time.Sleep(time.Minute)
		a.client.StallWatches() // or the edit would be seen
		for range 2 {
			w.edit(func(l *leaseObject) { l.Labels = map[string]string{"now": fmt.Sprint(l.ResourceVersion)} })
			time.Sleep(5 * time.Second)
		}
		if lines := from(slog.LevelWarn, log.lines(t)); len(saying(string(cannotRenew), lines)) > 0 {
			t.Errorf("an edit of labels is trouble:\n%s", log)
		}
		a.client.Fail(errRefused, 2)
		time.Sleep(10 * time.Second)
		lines := log.lines(t)
		for _, msg := range []string{string(cannotRenew), over[cannotRenew]} {
			if len(saying(msg, lines)) != 1 {
				t.Errorf("want %q once, in\n%s", msg, log)
			}
		}
	})
}

func TestConflictsThatNobodyWinsAreTrouble(t *testing.T) {
	for name, before := range map[string]func(*world){
		"no Lease":        func(*world) {},
		"a released one":  func(w *world) { w.server.Put(foreignLease("", nil)) },
		"a lapsed leader": func(w *world) { w.server.Put(foreignLease("x", ptr.To[int32](1))) },
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				before(w)
				a, log := w.talking("a", slog.LevelInfo)
				a.client.Intercept(func(op leasetest.Op) (f leasetest.Fault) {
					if op.Lease != nil {
						f.Err = errConflict
					}
					return f
				})
				a.start()
				time.Sleep(time.Minute)
				found := saying(string(cannotClaim), log.lines(t))
				if len(found) != 1 || found[0].Level != slog.LevelWarn || !strings.Contains(found[0].Err, "nobody else is seen to lead") || !strings.Contains(found[0].Err, "webhook says no") {
					t.Errorf("want one warning with the reason, in\n%s", log)
				}
				time.Sleep(time.Hour)
				if n := len(log.lines(t)); n > 12 {
					t.Errorf("%d lines in an hour:\n%s", n, log)
				}
				a.client.Heal()
				a.leads(time.Minute)
				if len(saying(over[cannotClaim], log.lines(t))) != 1 {
					t.Errorf("its end is not logged:\n%s", log)
				}
			})
		})
	}
}

func TestRacesThatOthersWinAreNoTrouble(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.server.Put(foreignLease("x", nil))
		a, log := w.talking("a", slog.LevelInfo)
		a.start()
		synctest.Wait()
		a.client.Latency(50*time.Millisecond, 50*time.Millisecond)
		var raced atomic.Int64
		a.client.Intercept(func(op leasetest.Op) leasetest.Fault {
			if op.Lease != nil { // another is always faster, and the Lease is released again at once
				raced.Add(1)
				w.edit(func(l *leaseObject) { l.Spec.HolderIdentity = ptr.To("x") })
				w.edit(func(l *leaseObject) { l.Spec.HolderIdentity = nil })
			}
			return leasetest.Fault{}
		})
		w.edit(func(l *leaseObject) { l.Spec.HolderIdentity = nil })
		time.Sleep(time.Minute)
		if n := raced.Load(); n < 10 {
			t.Fatalf("%d races", n)
		}
		if loud := from(slog.LevelWarn, log.lines(t)); len(loud) > 0 {
			t.Errorf("after %d lost races: %+v", raced.Load(), loud)
		}
	})
}

func TestARoleWithoutWatchIsSlowerAndNoError(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, log := w.talking("a", slog.LevelInfo)
		a.client.Intercept(noWatch)
		a.start().leads(time.Minute)
		time.Sleep(time.Hour)
		loud := from(slog.LevelWarn, log.lines(t))
		if len(loud) == 0 || len(loud) > 7 {
			t.Fatalf("%d warnings in an hour:\n%s", len(loud), log)
		}
		for _, l := range loud {
			if l.Level != slog.LevelWarn || !strings.Contains(l.Msg, "slower") || !strings.Contains(l.Err, "forbidden") {
				t.Errorf("%+v", l)
			}
		}
	})
}
