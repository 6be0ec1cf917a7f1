// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/uuid"
	"k8s.io/client-go/kubernetes"

	"github.com/kube-elector/elector/elector/internal/lease"
)

// Callbacks are told of this candidate's terms and of the leaders it sees. All are optional.
type Callbacks struct {
	// OnStartedLeading is called when a term begins, with the term's context, and does the leader's work. The context is
	// cancelled, with the reason as its cause, when the term ends; it must return then, and until it has, this replica
	// does not stand by again and the Lease is not released. Returning early does not end the term. A panic in it ends the
	// term unreleased and is passed on by Start.
	OnStartedLeading func(ctx context.Context)
	// OnStoppedLeading is called once for every OnStartedLeading, after it has returned and its context has ended, by the
	// same goroutine. In a voluntary end the Lease is still held, and released after this has returned. So, other than
	// with client-go, it is no place to exit the process: it is not called while OnStartedLeading goes on, and the Lease
	// would not be released. Exit when Start has returned.
	OnStoppedLeading func()
	// OnNewLeader is called with the holder's Identity, never "", when another replica or this one is seen to lead. Calls
	// come one at a time and in order, concurrently to the other callbacks. While one is running later leaders are skipped
	// but for the latest, which is announced even if it leads no more by then. A panic in it stops the Elector as the end
	// of Start's context does, and is passed on by Start after that.
	OnNewLeader func(identity string)
}

// Elector is one candidate for the leadership that a Lease stands for. All its methods may be called concurrently and
// at any time, in callbacks too.
type Elector struct {
	config    Config
	callbacks Callbacks
	logger    *slog.Logger
	// clientLogger is the same for client-go's lines.
	clientLogger logr.Logger

	leases    *lease.Client
	view      *lease.View
	watcher   *lease.Watcher
	crash     *crashDetector // nil without CrashDetection
	announcer *announcer

	madeMetrics *metrics // by metrics, which all else calls
	metricsOnce sync.Once

	started atomic.Bool
	stopped atomic.Pointer[lease.Moment] // when Start's context ended
	term    atomic.Pointer[term]         // the current one, from its first moment to its last

	// Only Start's goroutine writes these: since when others are given precedence, nil if they are not; what it has tried;
	// the claims lost of late; whether this process has led and nobody else since, as far as what it claims shows; whether
	// the work of its last claim has run; why the term of that has ended; and a claim that was lost sight of.
	yielding *lease.Moment
	tries    tries
	contest  contest
	led, ran bool
	cause    error
	doubt    *doubt

	stepDowns stepDowns
	obeyed    atomic.Pointer[lease.Moment] // when an annotation last made this replica step down

	// When, by the monotonic clock: another holder's record was last seen to change; the API server last answered. At
	// first, when Start was called.
	rival, contact atomic.Int64

	usage lease.Usage

	health     health
	duplicates duplicates
	trouble    trouble
}

// New returns a candidate, made from a copy of config. It does not talk to the API server. The clientset is for the
// Lease only. Use [NewClientset] to make one that shares no connection and no rate limit with other traffic. A nil
// logger means slog.Default(). For a logr.Logger l, give slog.New(logr.ToSlogHandler(l)). Everything wrong with the
// arguments is reported in one error, as [Config.Validate] does.
func New(config *Config, clientset kubernetes.Interface, callbacks Callbacks, logger *slog.Logger) (*Elector, error) {
	if config == nil {
		return nil, errors.New("elector: config: must not be nil")
	}
	full, err := config.withDefaults()
	err = errors.Join(err, full.Validate())
	if config.Enabled && isNil(clientset) {
		err = errors.Join(err, errors.New("clientset: must not be nil when Enabled"))
	}
	if err != nil {
		return nil, fmt.Errorf("elector: invalid config:\n%w", err)
	}
	if logger == nil {
		logger = slog.Default()
	}
	e := &Elector{
		config:    full,
		callbacks: callbacks,
		logger:    logger.With(full.logAttrs()...),
		announcer: newAnnouncer(callbacks.OnNewLeader),
	}
	e.clientLogger = newClientLogger(e.logger)
	if full.Enabled {
		e.leases = lease.NewClient(clientset, e.leaseConfig())
		e.view, e.watcher = e.leases.View, e.leases.Watcher
		e.tries = newTries(full)
		if full.CrashDetection != nil {
			e.crash = newCrashDetector(e, clientset)
		}
	} else if full.LeaseName != "" || !isNil(clientset) {
		e.logger.Warn("Enabled is false in the Config: every replica leads, although a LeaseName or a clientset was given")
	}
	return e, nil
}

// leaseConfig returns the Config of the Lease. It is all that package lease knows of an Elector.
func (e *Elector) leaseConfig() lease.Config {
	c, process := e.config, ""
	if c.CrashDetection != nil {
		process = ContainerAnnotation
	}
	return lease.Config{
		Name: c.LeaseName, Namespace: c.LeaseNamespace,
		Self:          lease.Author{Identity: c.Identity, Nonce: uuid.NewString(), Annotation: WriterAnnotation},
		LeaseDuration: c.LeaseDuration, RenewDeadline: c.RenewDeadline, RetryPeriod: c.RetryPeriod,
		Attempt: c.attemptTimeout(), Slow: c.slow(), Longest: MaxLeaseDuration, Process: process,
		Logger: e.clientLogger, Usage: &e.usage,
		Note: endSeen, Sighted: e.sighted, Heard: e.heard, WatchRestarted: e.watchRestarted, Leading: e.IsLeader,
	}
}

// isNil reports whether v is nil or holds a nil pointer, or another nil, which panics when it is used.
func isNil(v any) bool {
	switch r := reflect.ValueOf(v); r.Kind() {
	case reflect.Invalid:
		return true
	case reflect.Pointer, reflect.Func, reflect.Map, reflect.Slice, reflect.Chan:
		return r.IsNil()
	default:
		return false
	}
}

// NeedLeaderElection returns false, since in a controller-runtime manager the Elector runs on every replica.
func (e *Elector) NeedLeaderElection() bool { return false }

// IsLeader reports whether this replica leads at this instant, by its clocks and not by what it was told last. While a
// voluntary end is under way it stays true until OnStartedLeading has returned. Another replica may lead right after
// that. So what acts on the answer outside OnStartedLeading, as an HTTP handler or a webhook does, needs [Term.Hold].
func (e *Elector) IsLeader() bool { return e.Remaining() > 0 }

// Remaining returns how long leadership is still certain if no further renewal succeeds. It returns 0 when not leading,
// and the longest Duration if not Enabled. Work begun now should be done by then. A voluntary end can come earlier. It
// waits for OnStartedLeading and for what holds the term ([Term.Hold]), and for nothing else.
func (e *Elector) Remaining() time.Duration {
	if t := e.term.Load(); t != nil {
		return t.remaining()
	}
	return 0
}

// Term returns the current term, and false when not leading at this instant. See [Term.Hold] for work of the term
// outside OnStartedLeading.
func (e *Elector) Term() (Term, bool) {
	t := e.term.Load()
	if t == nil || t.remaining() == 0 {
		return Term{}, false
	}
	return t.Term, true
}

// GetLeader returns the Identity of the replica that leads, as far as this one has seen. It returns "" until one was
// seen, and while no replica leads.
func (e *Elector) GetLeader() string {
	if e.IsLeader() {
		return e.config.Identity
	}
	if e.view == nil {
		return ""
	}
	obs, _ := e.view.Get()
	if obs.ClaimableIn(lease.Now()) == 0 {
		return ""
	}
	return obs.Holder()
}
