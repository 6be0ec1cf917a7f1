// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/kube-elector/elector/elector"
	"github.com/kube-elector/elector/elector/shards"
)

var _ ctrl.Manager = (*Manager)(nil)

// A Manager is a ctrl.Manager whose leader-gated work an Elector drives: see [Gate]. All else is controller-runtime's
// own manager.
//
// Add adds leader-gated runnables to the Manager's Gate: see [Gate.Add]. GetCache returns a cache that tells gated
// controllers of its objects only while this replica leads. GetClient returns a client that refuses a write whose
// context descends from a term, as that of Reconcile does, when the term does not cover it: see [Fenced]. Other writes,
// such as those of webhooks, pass.
type Manager struct {
	*managed
	settings  settings
	config    elector.Config
	clientset kubernetes.Interface // for the Lease; nil if the election is not enabled
	events    *leaseEvents         // likewise
	elector   *elector.Elector
	shards    *shards.Shards // nil without shards
	gate      *Gate
	fencer    *fencer         // nil without fencing
	services  *leaderServices // nil without any
	elected   chan struct{}

	hanging  chan error // holds what Start returns when work does not stop
	hangOnce sync.Once

	mu      sync.Mutex // guards started
	started bool
}

// New makes a Manager as ctrl.NewManager makes one, from the same options. Those about leader election become the
// Elector's Config; what it cannot honour is refused by name, all in one error. The options are not modified, and the
// API server is not talked to about the Lease before Start.
//
// GracefulShutdownTimeout bounds the stopping of everything. Gated work gets all of it but a tenth (a second at most),
// which is kept for the release and what stops after. It is also the time gated work has to stop after a lost term; if
// it is 0, that is elector.DefaultDrainTimeout.
func New(cfg *rest.Config, options ctrl.Options, more ...Option) (*Manager, error) {
	if cfg == nil {
		return nil, errors.New("manager: must specify Config")
	}
	m := &Manager{elected: make(chan struct{}), hanging: make(chan error, 1)}
	for _, option := range more {
		if option != nil {
			option(&m.settings)
		}
	}
	var err error
	if m.config, err = electorConfig(options, m.settings); err != nil {
		return nil, fmt.Errorf("manager: invalid ctrl.Options:\n%w", err)
	}
	if err := m.setUpFencing(cfg); err != nil {
		return nil, err
	}
	if m.settings.logger != nil {
		options.Logger = NewLogr(m.settings.logger)
	}
	// Made before the inner manager, which opens ports.
	if err := m.newElector(cfg, options); err != nil {
		return nil, err
	}
	inner, err := ctrl.NewManager(cfg, withoutElection(options))
	if err != nil {
		return nil, err
	}
	m.managed = m.gate.manage(inner, m.settings.fences...)
	if name := m.settings.healthz; name != "" {
		if err := m.managed.Manager.AddHealthzCheck(name, m.healthz); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (m *Manager) newElector(cfg *rest.Config, options ctrl.Options) (err error) {
	if options.LeaderElectionConfig != nil {
		cfg = options.LeaderElectionConfig
	}
	logger := options.Logger
	if logger.GetSink() == nil {
		logger = log.Log
	}
	slogger := NewLogger(logger.WithName("elector"))
	if m.config.Enabled {
		if m.clientset = m.settings.clientset; m.clientset == nil {
			if m.clientset, err = newLeaseClientset(cfg, m.config); err != nil {
				return fmt.Errorf("manager: %w", err)
			}
		}
		if m.events, err = newLeaseEvents(m.settings.clientset, cfg, slogger); err != nil {
			return fmt.Errorf("manager: %w", err)
		}
		m.config.EventRecorder = m.events
	}
	m.gate = NewGate(slogger)
	m.gate.settings = m.settings
	m.gate.unelected = !m.config.Enabled
	m.gate.leading = sync.OnceFunc(func() { close(m.elected) })
	if m.config.Enabled && len(m.settings.services) > 0 {
		m.services = newLeaderServices(m.clientset, m.config.LeaseNamespace, m.settings.services, slogger)
		m.gate.serve = m.services.lead
	}
	if m.settings.shards.given { // the session and the candidate have one Identity
		if m.config, err = m.config.Complete(); err != nil {
			return fmt.Errorf("manager: %w", err)
		}
	}
	m.elector, err = elector.New(&m.config, m.clientset, m.gate.Callbacks(m.settings.callbacks), slogger)
	if err != nil {
		return fmt.Errorf("manager: %w", err)
	}
	return m.newShards()
}

// Elector returns the Elector that drives the Manager, for IsLeader, StepDown and the like. [Manager.Start] starts it.
// StepDown hands over to another replica, so without [WithReElection] Start then returns [ErrLeadershipLost].
func (m *Manager) Elector() *elector.Elector { return m.elector }

// Elected returns a channel that is closed when this replica leads for the first time and its gated work has been
// started. It stays closed. A caller of Elected is taken to rely on the process's ending when it no longer leads: see
// [WithElectedAsProbe].
func (m *Manager) Elected() <-chan struct{} {
	if !m.settings.electedAsProbe {
		m.gate.rely("Manager.Elected was called")
	}
	return m.elected
}

// EachTerm makes f run in every term: see [Gate.EachTerm].
func (m *Manager) EachTerm(f func(ctx context.Context) error) error { return m.gate.EachTerm(f) }

// Gate returns the Manager's Gate, for [Gate.Cache] and [Gate.Running].
func (m *Manager) Gate() *Gate { return m.gate }

// Start starts everything and blocks until ctx ends or something fails. It returns nil on a clean stop,
// [ErrLeadershipLost] when this process must not lead again, an error that is [elector.ErrDrainTimeout] and names what
// hangs when gated work does not stop in time, and otherwise what controller-runtime returns. After any error the
// process must exit. When gated work hangs, Start does not wait for anything else either: after a lost term, another
// replica may lead at any moment.
func (m *Manager) Start(ctx context.Context) error {
	m.mu.Lock()
	again := m.started
	m.started = true
	m.mu.Unlock()
	if again {
		return m.managed.Manager.Start(ctx) // has an error for this
	}
	if err := m.assemble(ctx); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- m.managed.Manager.Start(ctx) }()
	select {
	case err := <-m.hanging:
		return err
	case err := <-ended:
		select {
		case hanging := <-m.hanging: // while stopping, the inner manager only logs errors
			return hanging
		default:
			return err
		}
	}
}

// assemble adds the Gate, the Elector and the shards to the inner manager as runnables of every replica: started when
// the caches have synced, stopped before anything else, and waited for before the caches, the webhooks and the servers
// stop.
func (m *Manager) assemble(ctx context.Context) error {
	var errs []error
	runnables := []everywhere{m.gate.Start, m.campaign}
	if m.shards != nil {
		runnables = append(runnables, m.share)
	}
	for _, f := range runnables {
		errs = append(errs, m.managed.Manager.Add(everywhere(func(inner context.Context) error {
			if ctx.Err() != nil {
				// The inner manager starts everything, even if it was stopped while it waited for the caches.
				return nil
			}
			return f(inner)
		})))
	}
	return errors.Join(errs...)
}

// campaign runs the Elector.
func (m *Manager) campaign(ctx context.Context) error {
	select {
	case <-m.gate.ready: // or this replica might win with nothing to run
	case <-ctx.Done():
		return nil
	}
	if err := m.checkFencing(ctx); err != nil {
		return err
	}
	defer m.exposeMetrics()()
	defer m.beside(ctx)()
	electing, stop := context.WithCancel(ctx)
	defer stop()
	// A claim that is under way when the manager stops would have to be settled first, for seconds in an outage.
	m.gate.onFailure(stop)
	return m.conclude(electing, m.elector.Start(electing), "the election did not end cleanly")
}

// conclude returns what the runnable returns whose Elector or shards returned err. unclean is logged if ctx ended
// first.
func (m *Manager) conclude(ctx context.Context, err error, unclean string) error {
	switch {
	case errors.Is(err, elector.ErrDrainTimeout):
		return m.hang(err)
	case err != nil && ctx.Err() != nil:
		// The work has ended. The inner manager would log this as an error.
		m.gate.log.Warn(unclean, "err", err)
		return nil
	}
	return err
}

// hang makes Start return err, completed by the names of what has not stopped.
func (m *Manager) hang(err error) error {
	if names := m.gate.Running(); len(names) > 0 {
		err = fmt.Errorf("%w: %s", err, strings.Join(names, "; "))
	}
	if why := m.gate.failure(); why != nil {
		err = errors.Join(why, err)
	}
	m.hangOnce.Do(func() { // the leader's work and that of shards may both hang
		if m.settings.exit != nil {
			m.settings.exit(err)
		}
		m.hanging <- err // has room for it
	})
	return err
}

// beside checks the permissions and records Events while the Elector runs. The function it returns ends that, and comes
// after the exit hook: it may wait, but not for a request that ignores its context.
func (m *Manager) beside(ctx context.Context) (end func()) {
	if !m.config.Enabled {
		return func() {}
	}
	var group sync.WaitGroup
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	checking, stop := context.WithCancel(ctx)
	p := permissions{clientset: m.clientset, namespace: m.config.LeaseNamespace, name: m.config.LeaseName, shards: m.shards != nil, log: m.gate.log}
	group.Go(func() { p.preflight(checking) })
	if m.config.CrashDetection != nil {
		group.Go(func() { p.checkPods(checking) })
		group.Go(func() { m.prepareForCrash(checking) })
	}
	group.Go(func() { m.events.run(running) })
	if m.services != nil {
		group.Go(func() { m.services.run(running) })
	}
	return func() {
		stop()
		cancel()
		ended := make(chan struct{})
		go func() {
			group.Wait()
			close(ended)
		}()
		select {
		case <-ended:
		case <-time.After(2 * lastEvents):
			m.gate.log.Warn("a request ignores its context and goes on: it checks permissions, records Events or writes EndpointSlices; " + hungHint)
		}
	}
}
