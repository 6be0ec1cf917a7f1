// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/config"
	crmanager "sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/kube-elector/elector/manager"
)

// operators are managers with a controller of many objects. Their leader's work begins with the first reconcile.
var operators = []subject{
	{ours, oursClientset, oneLineCandidate},
	{controllerRuntime, clientGoClientset, operatorCandidate(true)},
	{scaffolded, clientGoClientset, operatorCandidate(false)},
}

// operatorObjects is how many objects an operator's controller has.
const operatorObjects = 1000

// managed is a manager as a candidate.
type managed struct {
	ctrl.Manager
	leader func() string
}

func (m managed) GetLeader() string { return m.leader() }

func (m managed) IsLeader() bool {
	select {
	case <-m.Elected():
		return true
	default:
		return false
	}
}

// Start drops the error that controller-runtime returns for a clean stop, if it happens to.
func (m managed) Start(ctx context.Context) error {
	if err := m.Manager.Start(ctx); ctx.Err() == nil {
		return err
	}
	return nil
}

func managerOptions(s seat, t timing) ctrl.Options {
	o := s.with(t).Options()
	o.Logger = logr.Discard()
	o.Controller = config.Controller{SkipNameValidation: ptr.To(true)}
	return o
}

// lookingLock remembers who its candidate has last seen holding the Lease, which controller-runtime does not tell.
type lookingLock struct {
	resourcelock.Interface
	holder atomic.Value
}

func (l *lookingLock) Get(ctx context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	record, raw, err := l.Interface.Get(ctx)
	if err == nil {
		l.saw(*record)
	}
	return record, raw, err
}

func (l *lookingLock) Create(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	err := l.Interface.Create(ctx, record)
	if err == nil {
		l.saw(record)
	}
	return err
}

func (l *lookingLock) Update(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	err := l.Interface.Update(ctx, record)
	if err == nil {
		l.saw(record)
	}
	return err
}

func (l *lookingLock) saw(record resourcelock.LeaderElectionRecord) {
	l.holder.Store(record.HolderIdentity)
}

func (l *lookingLock) leader() string {
	holder, _ := l.holder.Load().(string)
	return holder
}

// controllerRuntimes returns controller-runtime's manager. Its Lock is the one it would make, but with the seat's
// identity.
func controllerRuntimes(w way, s seat, t timing, release bool) (managed, error) {
	lock := &lookingLock{Interface: s.with(t).Lock(w.client)}
	options := managerOptions(s, t)
	options.LeaderElectionReleaseOnCancel = release
	options.LeaderElectionResourceLockInterface = lock
	m, err := ctrl.NewManager(w.config, options)
	return managed{m, lock.leader}, err
}

// managedCandidate returns controller-runtime's manager with the leader's work as its only runnable.
func managedCandidate(w way, s seat, t timing) (candidate, error) {
	m, err := controllerRuntimes(w, s, t, true)
	if err != nil {
		return nil, err
	}
	return m, m.Add(crmanager.RunnableFunc(func(ctx context.Context) error {
		s.lead(ctx)
		return nil
	}))
}

// operatorCandidate returns an operator on controller-runtime's manager.
func operatorCandidate(release bool) func(way, seat, timing) (candidate, error) {
	return func(w way, s seat, t timing) (candidate, error) {
		m, err := controllerRuntimes(w, s, t, release)
		if err != nil {
			return nil, err
		}
		return m, controller(s)(m)
	}
}

// oneLineCandidate returns the same operator with ctrl.NewManager replaced by manager.New.
func oneLineCandidate(w way, s seat, t timing) (candidate, error) {
	m, err := manager.New(w.config, managerOptions(s, t))
	if err != nil {
		return nil, err
	}
	return managed{m, m.Elector().GetLeader}, controller(s)(m)
}

// controller makes the operator's controller.
func controller(s seat) func(ctrl.Manager) error {
	return func(m ctrl.Manager) error {
		var first sync.Once
		return ctrl.NewControllerManagedBy(m).For(&corev1.ConfigMap{}).
			Complete(reconcile.Func(func(ctx context.Context, _ reconcile.Request) (reconcile.Result, error) {
				first.Do(func() { s.lead(ctx) })
				return reconcile.Result{}, nil
			}))
	}
}
