// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/kube-elector/elector/elector"
)

var _ ctrl.Manager = (*Manager)(nil)

// inner makes the embedded manager's methods Manager's, but not the field.
type inner = ctrl.Manager

// Manager is a ctrl.Manager whose leader-gated runnables an Elector drives. All
// else is controller-runtime's own manager.
type Manager struct {
	inner
	settings  settings
	config    elector.Config
	clientset kubernetes.Interface // for the Lease; nil if the election is not enabled
	elector   *elector.Elector
	gate      *Gate
	fencer    *fencer // nil without fencing
	elected   chan struct{}

	mu      sync.Mutex // guards all below
	started bool
	hanging error // what campaign returned about work that did not stop
}

// New makes a Manager as ctrl.NewManager makes one, from the same options.
// Those about leader election become the Elector's Config; what it cannot
// honour is refused by name, all in one error. The options are not modified,
// and the API server is not talked to about the Lease before Start.
//
// GracefulShutdownTimeout bounds the stopping of everything. Gated work gets
// all of it but a tenth (a second at most), which is kept for the release and
// what stops after. It is also the time gated work has to stop after a lost
// term; if it is 0, that is elector.DefaultDrainTimeout.
func New(cfg *rest.Config, options ctrl.Options, more ...Option) (*Manager, error) {
	if cfg == nil {
		return nil, errors.New("manager: must specify Config")
	}
	m := &Manager{elected: make(chan struct{})}
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
	events := &leaseEvents{}
	m.config.EventRecorder = events
	if err := m.newElector(cfg, options); err != nil {
		return nil, err
	}
	if m.inner, err = ctrl.NewManager(cfg, withoutElection(options)); err != nil {
		return nil, err
	}
	events.recorder = m.GetEventRecorderFor("elector") //nolint:staticcheck // see leaseEvents
	if name := m.settings.healthz; name != "" {
		if err := m.inner.AddHealthzCheck(name, m.elector.Healthz); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (m *Manager) newElector(cfg *rest.Config, options ctrl.Options) (err error) {
	if options.LeaderElectionConfig != nil {
		cfg = options.LeaderElectionConfig
	}
	if m.config.Enabled {
		if m.clientset = m.settings.clientset; m.clientset == nil {
			if m.clientset, err = newLeaseClientset(cfg, m.config); err != nil {
				return fmt.Errorf("manager: %w", err)
			}
		}
	}
	logger := options.Logger
	if logger.GetSink() == nil {
		logger = log.Log
	}
	slogger := NewLogger(logger.WithName("elector"))
	m.gate = NewGate(slogger)
	m.gate.leading = sync.OnceFunc(func() { close(m.elected) })
	m.elector, err = elector.New(&m.config, m.clientset, m.gate.Callbacks(m.settings.callbacks), slogger)
	if err != nil {
		return fmt.Errorf("manager: %w", err)
	}
	return nil
}

// Elector returns the Elector that drives the Manager, for IsLeader, StepDown
// and the like. It is Start that starts it.
func (m *Manager) Elector() *elector.Elector { return m.elector }

// Elected is closed when this replica leads for the first time and its gated
// runnables have been started.
func (m *Manager) Elected() <-chan struct{} { return m.elected }

// Add adds a runnable: for the leader, or for every replica, by the rules of
// controller-runtime. It may be called at any time before the Manager stops.
func (m *Manager) Add(r manager.Runnable) error {
	if leaderGated(r) {
		return m.gate.Add(r)
	}
	return m.inner.Add(r)
}

// EachTerm has setup build, with the manager it is given, the controllers and
// other leader-gated runnables of one term; it is called anew for every term,
// ahead of it, so that they can warm up while this replica stands by. A Manager
// with no other leader-gated runnables leads again after a lost term, in the
// same process.
//
// That manager is the Manager but for these: what is added to it runs for one
// term, and must be leader-gated; event handlers added through its cache are
// removed when the term has ended; its client is Fenced by the term; field
// indexes stay as the first term made them; controllers may have the same names
// each time, and warm up. What belongs to every replica (webhooks, checks,
// NeedLeaderElection=false) is to be added to the Manager itself.
//
// An error of setup before the first term is returned by Start. One later is
// logged, and setup called again after a while; should a term begin meanwhile,
// the Manager steps down. EachTerm may be called several times, but not after
// Start.
func (m *Manager) EachTerm(setup func(ctrl.Manager) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case setup == nil:
		return errors.New("manager: EachTerm: setup: must not be nil")
	case m.started:
		return errors.New("manager: EachTerm: must be called before Start")
	}
	if m.gate.terms == nil {
		m.gate.terms = newTermSource(m.inner, m.elector.StepDown, m.gate.log, m.settings.fences...)
	}
	m.gate.terms.setups = append(m.gate.terms.setups, setup)
	return nil
}

// Start starts everything and blocks until ctx ends or something fails. It
// returns nil on a clean stop; ErrLeadershipLost when a term is lost in which
// runnables ran that cannot be started again; an error that is
// elector.ErrDrainTimeout, naming them, when gated runnables do not stop in
// time; and otherwise what controller-runtime returns. After any error the
// process is to exit.
func (m *Manager) Start(ctx context.Context) error {
	m.mu.Lock()
	again := m.started
	m.started = true
	m.mu.Unlock()
	if again {
		return m.inner.Start(ctx) // has an error for this
	}
	if err := m.assemble(ctx); err != nil {
		return err
	}
	err := m.inner.Start(ctx)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.hanging != nil && !errors.Is(err, elector.ErrDrainTimeout) {
		// While stopping, the inner manager only logs errors.
		return errors.Join(err, m.hanging)
	}
	return err
}

// assemble adds the Gate and the Elector to the inner manager as runnables of
// every replica: started when the caches have synced, stopped before anything
// else, and waited for before the caches, the webhooks and the servers stop.
func (m *Manager) assemble(ctx context.Context) error {
	var errs []error
	for _, f := range []everywhere{m.gate.Start, m.campaign} {
		errs = append(errs, m.inner.Add(everywhere(func(inner context.Context) error {
			if ctx.Err() != nil {
				// The inner manager starts everything, even if it was stopped
				// while it waited for the caches.
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
	var check sync.WaitGroup
	checking, cancel := context.WithCancel(ctx)
	if m.config.Enabled {
		check.Go(func() {
			p := permissions{clientset: m.clientset, namespace: m.config.LeaseNamespace, name: m.config.LeaseName, log: m.gate.log}
			p.preflight(checking)
		})
	}
	err := m.elector.Start(ctx)
	cancel()
	check.Wait()
	if errors.Is(err, elector.ErrDrainTimeout) {
		err = m.hang(err)
	}
	return err
}

// hang names the runnables that have not stopped.
func (m *Manager) hang(err error) error {
	if names := m.gate.Running(); len(names) > 0 {
		err = fmt.Errorf("%w: %s", err, strings.Join(names, ", "))
	}
	if m.settings.exit != nil {
		m.settings.exit(err)
	}
	m.mu.Lock()
	m.hanging = err
	m.mu.Unlock()
	return err
}
