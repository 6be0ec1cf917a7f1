// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/kube-elector/elector/elector"
	"github.com/kube-elector/elector/manager/fencing"
)

// WithFencing makes the API server reject writes from a former leader: see package fencing for what each of its
// policies does and costs. The Lease may be left out of the settings: it is the one contended for.
//
// The Identity becomes [fencing.Identity], unless WithIdentity gives another. Before it campaigns, the Manager makes
// sure that the policies would let it write; otherwise Start returns [fencing.ErrMismatch]. At the beginning of each
// term it compares the policies in the cluster with what they should be, and installs them if any is missing or
// differs. Between elections it asks the API server nothing, so what an administrator changes then lasts until the next
// one; [elector.Elector.StepDown] brings that about. They need not exist before: a leader of a version without them can
// still write while a new version is rolled out. If the Manager lacks the permissions, it logs the differences and the
// policies as YAML, for someone who has them. The policies stay when the Manager ends.
//
// LeaderElectionConfig, if set, must be of the same pod and ServiceAccount. Without LeaderElection WithFencing does
// nothing.
//
// The Manager's clients for gated work stamp every type that the policy Epoch compares (see [StampingEpoch]), and the
// types in stamped as well (see [Stamping]).
func WithFencing(s fencing.Settings, stamped ...client.Object) Option {
	return func(o *settings) {
		o.fencing = &s
		o.fences = append(o.fences, StampingEpoch(s), Stamping(stamped...))
	}
}

// WithIdentity sets the Elector's Identity: see [elector.Config].
func WithIdentity(identity string) Option {
	return func(s *settings) { s.identity = identity }
}

var refusedWrites = prometheus.NewCounterVec(prometheus.CounterOpts{
	Name: "elector_refused_writes_total",
	Help: "Writes of fenced clients that a fencing policy of this Lease has refused.",
}, []string{"lease_namespace", "lease_name", "policy"})

// exposeRefusals registers the counter, which all Managers of a process share.
var exposeRefusals = sync.OnceFunc(func() { metrics.Registry.MustRegister(refusedWrites) })

// fencer installs the policies, and checks whether this replica fits them.
type fencer struct {
	settings fencing.Settings
	objects  []client.Object
	epoch    []client.Object // those that keep late writes of a crashed leader out, if that is asked
	client   client.Client
}

// setUpFencing completes the settings and the Elector's Config, which the Elector is made of afterwards.
func (m *Manager) setUpFencing(cfg *rest.Config) error {
	m.config.Identity = m.settings.identity
	if m.settings.fencing == nil || !m.config.Enabled {
		return nil
	}
	s := *m.settings.fencing
	lease := types.NamespacedName{Namespace: m.config.LeaseNamespace, Name: m.config.LeaseName}
	if s.Lease == (types.NamespacedName{}) {
		s.Lease = lease
	}
	if s.Lease != lease {
		return fmt.Errorf("manager: WithFencing: Lease: %q: must be the one contended for, %q, or be left out", s.Lease, lease)
	}
	objects, err := fencing.Objects(s)
	if err != nil {
		return fmt.Errorf("manager: %w", err)
	}
	if m.config.Identity == "" {
		if m.config.Identity, err = fencing.Identity(); err != nil {
			return fmt.Errorf("manager: %w", err)
		}
	}
	bounded := rest.CopyConfig(cfg)
	bounded.Timeout = preflightTimeout // discovery heeds no context
	c, err := client.New(bounded, client.Options{})
	if err != nil {
		return fmt.Errorf("manager: %w", err)
	}
	exposeRefusals()
	for _, p := range fencing.Policies() {
		refusedWrites.WithLabelValues(lease.Namespace, lease.Name, string(p)) // 0 is a value, too
	}
	m.fencer = &fencer{settings: s, objects: objects, client: c}
	m.settings.callbacks = m.installing(m.settings.callbacks)
	return m.fenceCrashes()
}

// checkFencing returns fencing.ErrMismatch if the policies would refuse this replica's writes. While the API server
// cannot be asked it waits.
func (m *Manager) checkFencing(ctx context.Context) error {
	if m.fencer == nil {
		return nil
	}
	err := m.persist(ctx, "cannot check whether this replica fits the fencing policies", func(ctx context.Context) error {
		return fencing.Check(ctx, m.fencer.client, m.fencer.settings, m.config.Identity)
	})
	if errors.Is(err, fencing.ErrMismatch) {
		return err
	}
	return nil // or ctx has ended: that is a clean stop
}

// installing returns callbacks that install the policies at the beginning of each term, beside what next does.
func (m *Manager) installing(next elector.Callbacks) elector.Callbacks {
	all := next
	all.OnStartedLeading = func(ctx context.Context) {
		var installing sync.WaitGroup
		defer installing.Wait()
		installing.Go(func() { m.install(ctx) })
		if next.OnStartedLeading != nil {
			next.OnStartedLeading(ctx)
		}
	}
	return all
}

func (m *Manager) install(ctx context.Context) {
	f := m.fencer
	var once sync.Once // discovery heeds no context
	_ = m.persist(ctx, "cannot install the fencing policies", func(ctx context.Context) error {
		once.Do(func() {
			if err := f.settings.Unserved(f.client.RESTMapper()); err != nil {
				m.gate.log.WarnContext(ctx, "a rule for fencing matches nothing in this cluster", "err", err)
			}
		})
		present := fencing.Installed(ctx, f.client, f.objects...)
		if present == nil {
			return nil
		}
		err := fencing.Install(ctx, f.client, f.objects...)
		if !apierrors.IsForbidden(err) {
			return err
		}
		text, yamlErr := fencing.YAML(f.objects...)
		if errors.Is(present, fencing.ErrNotInstalled) {
			m.gate.log.ErrorContext(ctx, "writes from former leaders may be accepted: the fencing policies are missing or differ, and this replica lacks the permissions to install them",
				"why", present, "err", errors.Join(err, yamlErr), "apply", text)
			return nil
		}
		m.gate.log.WarnContext(ctx, "cannot check or install the fencing policies for lack of permissions: apply them if they are missing",
			"why", present, "err", errors.Join(err, yamlErr), "apply", text)
		return nil
	}) // or ctx has ended: the next term will
}
