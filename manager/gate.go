// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"

	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/kube-elector/elector/elector"
)

var _ manager.LeaderElectionRunnable = (*Gate)(nil)

// A Gate runs work while an Elector leads. [Manager] has one inside. For a manager and an Elector of your own:
//
//	gate := manager.NewGate(logger)
//	e, err := elector.New(config, clientset, gate.Callbacks(elector.Callbacks{}), logger)
//	gated := gate.Manage(mgr) // mgr was made with LeaderElection: false
//	err = (&Reconciler{Client: gated.GetClient()}).SetupWithManager(gated)
//	err = mgr.Add(gate)
//	err = mgr.Add(e)
//
// There are three kinds of gated work. Controllers start in the first term and go on until the Gate is stopped, but
// their requests are handed out only while a term lasts. Functions given to [Gate.EachTerm] run in every term. All
// other runnables run once, in the first term. When a term ends, the Elector waits for requests, functions and
// runnables before it releases the Lease. All methods may be called concurrently.
type Gate struct {
	log       *slog.Logger
	settings  settings
	unelected bool // there is no election to lose
	tenures   *tenures
	listeners *listeners
	leading   func()                                   // called when a term's work has been started
	serve     func(context.Context) (withdrawn func()) // called after that with the context of the work
	resumed   func(context.Context) bool               // reports whether nobody led between the last term and this one

	ready   chan struct{} // closed when work may start
	warmed  chan struct{} // closed when the controllers that were there then have warmed up
	elected chan struct{} // closed when the first term begins; with shards, that of the first shard
	stopped chan struct{} // closed when Start returns
	failed  chan error    // holds the first failure

	mu       sync.Mutex // guards all below
	work     work
	cold     int       // controllers that have not warmed up
	life     *group    // controllers, and their warm-ups; nil before Start
	warm     *group    // warm-ups of run-once runnables, whose queues end with the first term; nil before Start
	term     *termWork // nil between terms
	past     past
	reliance []string // why the end of a term must be the end of the process
	said     string   // the rule for a lost lease that the log names
	closed   bool     // failed or stopped: nothing starts any more
	failedBy error    // why it failed, if it did
	failing  func()   // called when it fails; nil if there is nothing to call
	stopping bool     // Start returns

	serving        map[*tenure]bool // of shards, until their requests have returned
	served         bool             // there was a shard
	shardCallbacks ShardCallbacks   // not guarded
}

// work is what has been added.
type work struct {
	gated   bool               // there are gated controllers that need the leadership
	waiting []manager.Runnable // gated controllers, until the Gate is started
	once    []manager.Runnable // runnables that have not had their run
	each    []func(context.Context) error
}

// NewGate returns an empty Gate. A nil logger means slog.Default(). Of the options those about a Gate have a meaning:
// [WithReElection], [WithColdStandby].
func NewGate(logger *slog.Logger, options ...Option) *Gate {
	if logger == nil {
		logger = slog.Default()
	}
	g := &Gate{
		log: logger, tenures: newTenures(), listeners: newListeners(logger), leading: func() {}, resumed: resumed,
		serve: func(context.Context) func() { return func() {} },
		ready: make(chan struct{}), warmed: make(chan struct{}), elected: make(chan struct{}), stopped: make(chan struct{}), failed: make(chan error, 1),
	}
	for _, option := range options {
		if option != nil {
			option(&g.settings)
		}
	}
	return g
}

// Add gates a runnable, whatever it says about leader election.
//
// A controller, of controller-runtime's own type, whose requests are reconcile.Requests or that was built with
// [GatedOptions], has its requests gated. Unless its EnableWarmup says otherwise, or with [WithColdStandby], it warms
// up when the Gate has been started. It starts in the first term, or at once if there was one.
//
// Other runnables start in the first term, or at once in the current one, and are told to stop when it ends. They
// cannot be started twice: once one has run, the end of its term makes Start return [ErrLeadershipLost]. If such a
// runnable has controller-runtime's Warmup method, that is called when the Gate has been started.
//
// Add returns [ErrStopped] once the Gate has stopped or failed, and an error for a controller of a controller-runtime
// whose controllers cannot be gated. The error names the versions that can.
func (g *Gate) Add(r manager.Runnable) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return fmt.Errorf("%s: %w", describe(r), ErrStopped)
	}
	if err := checkInternals(r); err != nil {
		return err
	}
	ok, why := gate(r, g)
	if why != "" {
		g.log.Warn("the requests of this controller cannot be gated: it runs in one term, and the end of that term ends the process",
			"controller", describe(r), "reason", why)
	}
	if ok {
		g.work.gated = !g.divided()
		g.work.waiting = append(g.work.waiting, r)
	} else {
		g.work.once = append(g.work.once, r)
		g.warmUpLocked(r)
	}
	g.startLocked()
	return nil
}

// EachTerm makes f run in every term, from its beginning; in the current term at once, if there is one. f must return
// when its context ends. Its context carries the term. If f returns an error before, the Gate fails with it. If it
// returns nil, the term goes on.
func (g *Gate) EachTerm(f func(ctx context.Context) error) error {
	if f == nil {
		return errors.New("manager: EachTerm: f must not be nil")
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return fmt.Errorf("%s: %w", describe(manager.RunnableFunc(f)), ErrStopped)
	}
	g.work.each = append(g.work.each, f)
	if g.term != nil {
		g.term.start(describe(manager.RunnableFunc(f)), f)
	}
	return nil
}

// Cache returns c, but for gated controllers: their sources hear of its objects while this replica leads, and of all of
// them at its election. Use it for sources on caches that are not the Manager's own, such as those of other clusters:
//
//	source.Kind(gate.Cache(cluster.GetCache()), …)
//
// What a source on any other cache, a source.Channel or a source.Func has a controller reconcile while this replica
// does not lead is kept until it does: each key once, about 100 bytes.
func (g *Gate) Cache(c cache.Cache) cache.Cache {
	if _, done := c.(*gatedCache); done {
		return c
	}
	return &gatedCache{c}
}

// NeedLeaderElection returns false: every replica's manager runs its Gate.
func (g *Gate) NeedLeaderElection() bool { return false }

// Callbacks returns the Callbacks for the Elector that drives the Gate: next with the Gate in front.
// next.OnStartedLeading is called when the term's work has been started, next.OnStoppedLeading when it has ended.
func (g *Gate) Callbacks(next elector.Callbacks) elector.Callbacks {
	gated := next
	gated.OnStartedLeading = func(ctx context.Context) {
		end := g.lead(ctx)
		if next.OnStartedLeading != nil {
			next.OnStartedLeading(ctx)
		}
		end()
	}
	gated.OnNewLeader = func(identity string) {
		g.sawLeader(identity)
		if next.OnNewLeader != nil {
			next.OnNewLeader(identity)
		}
	}
	return gated
}

// Running describes what of the current term has not ended: runnables, functions, and requests by their controller, and
// with shards the requests of each. When the Gate stops, and all that has ended, these are the controllers and warm-ups
// that have not. It is for messages such as about elector.ErrDrainTimeout. There is none between terms.
func (g *Gate) Running() []string {
	g.mu.Lock()
	term, stopping := g.term, g.stopping
	tenures := slices.SortedFunc(maps.Keys(g.serving), func(a, b *tenure) int { return int(a.shard - b.shard) })
	g.mu.Unlock()
	var all []string
	if term != nil {
		all = term.names()
		tenures = append(tenures, term.tenure)
	}
	for _, t := range tenures {
		all = append(all, g.tenures.running(t)...)
	}
	if len(tenures) == 0 && stopping {
		return append(g.life.names(), g.warm.names()...)
	}
	return all
}
