// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/kube-elector/elector/elector/internal/lease"
)

const (
	// reminder is how often a trouble that lasts is logged again.
	reminder = 10 * time.Minute
	// settled is how long a reason that was logged before must have been the only one before it is logged again, because
	// the log names another one. An operation whose trouble comes and goes must work as long before that is logged as its
	// end.
	settled = 20 * time.Second
	// Each trouble is one line when it comes and one when it goes. No more than troubleBurst may come at once, and then
	// one each troubleSpacing.
	troubleBurst   = 3
	troubleSpacing = 40 * time.Second
)

// failure is what a candidate cannot do for a while, in the words of the log.
type failure string

const (
	cannotRead  failure = "cannot read the Lease"
	cannotClaim failure = "cannot claim the Lease"
	cannotRenew failure = "cannot renew the Lease"
	cannotWatch failure = "cannot watch the Lease, so taking it over is slower"
)

// failures are what fails when a request does. A write is a claim, a renewal or a release, and its caller knows which.
var failures = map[lease.Kind]failure{lease.Read: cannotRead, lease.Watch: cannotWatch}

// over is what is logged when the failure is.
var over = map[failure]string{
	cannotRead:  "reading the Lease works again",
	cannotClaim: "claiming the Lease works again",
	cannotRenew: "renewing the Lease works again",
	cannotWatch: "watching the Lease works again",
}

// troubled logs a failure that will be tried again. The log always names the present reason, and stays short: the same
// reason is a line each reminder.
func (e *Elector) troubled(ctx context.Context, what failure, err error) {
	switch what {
	case cannotClaim:
		e.metrics().failedClaims.Inc()
	case cannotRenew:
		e.metrics().failedRenewals.Inc()
	}
	level := slog.LevelDebug
	if e.trouble.failed(what, err, lease.Now()) {
		level = slog.LevelWarn
	}
	e.logger.Log(ctx, level, string(what), "err", err)
}

// worked logs the end of a failure, if the log still tells of it.
func (e *Elector) worked(ctx context.Context, what failure) {
	if lasted, told := e.trouble.worked(what, lease.Now()); told {
		e.logger.InfoContext(ctx, over[what], "after", lasted.Round(time.Millisecond))
	}
}

// trouble remembers what fails and what the log says about it.
type trouble struct {
	mu       sync.Mutex // guards all below
	ailments map[failure]*ailment
	budget   budget // of lines about troubles
	changes  budget // of lines about leaders
}

// budget limits how many lines are logged.
type budget struct {
	full *lease.Moment // when a whole burst may be logged again; nil before the first line
}

// ailment is one failure and its reasons.
type ailment struct {
	failing bool
	refused bool                    // for a reason that the API server gave, and that lasts
	since   lease.Moment            // when it began to fail
	works   lease.Moment            // when it began to work, if it does
	over    *lease.Moment           // when its end was last logged
	until   lease.Moment            // when it last failed, or until when the API server wants not to be asked again
	reason  string                  // the present one
	alone   lease.Moment            // since when there has been no other
	told    string                  // the reason that the log names, "" if it says that all is well
	logged  map[string]lease.Moment // when each reason was last logged, for a reminder
}

// failed takes in a failure and reports whether it must be logged.
func (t *trouble) failed(what failure, err error, m lease.Moment) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	a := t.ailments[what]
	if a == nil {
		a = &ailment{logged: map[string]lease.Moment{}}
		if t.ailments == nil {
			t.ailments = map[failure]*ailment{}
		}
		t.ailments[what] = a
	}
	reason := reasonOf(err)
	if !a.failing {
		a.failing, a.since, a.reason = true, m, ""
	}
	if reason != a.reason {
		a.reason, a.alone = reason, m
	}
	a.refused, a.until = lease.Refused(err), m
	a.until.Mono += lease.RetryAfter(err)
	for r, at := range a.logged {
		if m.StandbySince(at) >= reminder {
			delete(a.logged, r)
		}
	}
	_, known := a.logged[reason]
	if known && (reason == a.told || m.StandbySince(a.alone) < settled) || !t.budget.spend(m) {
		return false
	}
	a.told, a.logged[reason] = reason, m
	return true
}

// spend reports whether a line may be logged now, and counts it.
func (b *budget) spend(m lease.Moment) bool {
	owed := time.Duration(0)
	if b.full != nil {
		owed = max(0, b.full.Mono-m.Mono)
	}
	if owed > (troubleBurst-1)*troubleSpacing {
		return false
	}
	b.full = &lease.Moment{Mono: m.Mono + owed + troubleSpacing}
	return true
}

// mayTellLeader reports whether another change of the leader may be logged.
func (t *trouble) mayTellLeader(m lease.Moment) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.changes.spend(m)
}

// worked takes in that an operation succeeded. It returns for how long it had failed, and whether the log must say that
// this is over. It may be called for as long as the operation works.
func (t *trouble) worked(what failure, m lease.Moment) (lasted time.Duration, told bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	a := t.ailments[what]
	if a == nil {
		return 0, false
	}
	if a.failing {
		a.failing, a.works = false, m
	}
	flaps := a.over != nil && m.StandbySince(*a.over) < reminder
	if a.told == "" || flaps && m.StandbySince(a.works) < settled {
		return 0, false
	}
	a.told, a.over = "", &m
	return a.works.StandbySince(a.since), true
}

// forget ends a failure that no longer matters, without a word.
func (t *trouble) forget(what failure) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if a := t.ailments[what]; a != nil {
		a.failing, a.told = false, ""
	}
}

// failing reports whether the operation failed when it was last tried.
func (t *trouble) failing(what failure) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	a := t.ailments[what]
	return a != nil && a.failing
}

// untried reports whether the operation has not failed for longer than pause, and what the API server asked for, so
// that nobody tries it any more. Of one that was refused for a reason that lasts it says no.
func (t *trouble) untried(what failure, m lease.Moment, pause time.Duration) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	a := t.ailments[what]
	return a != nil && (!a.failing || !a.refused && m.StandbySince(a.until) > pause)
}

// refused reports whether it failed because the API server refused it, for a reason that lasts.
func (t *trouble) refused(what failure) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	a := t.ailments[what]
	return a != nil && a.failing && a.refused
}

// reasonOf returns the reason of a failure without what differs from one try to the next: ports, times, identifiers,
// all words with a digit.
func reasonOf(err error) string {
	const limit = 1 << 10
	text := err.Error()
	words := strings.FieldsFunc(text[:min(len(text), limit)], func(r rune) bool {
		return unicode.IsSpace(r) || strings.ContainsRune(`"'=,;()[]`, r)
	})
	for i, w := range words {
		if strings.ContainsAny(w, "0123456789") {
			words[i] = "#"
		}
	}
	reason := strings.Join(words, " ")
	if code := lease.StatusCode(err); code != 0 {
		return fmt.Sprint(code, " ", reason)
	}
	return reason
}
