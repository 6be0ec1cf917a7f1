// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"context"
	"errors"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kube-elector/elector/manager/fencing"
)

// fenceCrashes lets the Elector lead at once after a crash, if the policy Epoch is in force then.
func (m *Manager) fenceCrashes() error {
	detection := m.config.CrashDetection
	if detection == nil || detection.Fenced != nil || m.fencer == nil || !m.fencer.settings.Has(fencing.Epoch) {
		return nil
	}
	epoch := m.fencer.settings
	epoch.Policies = []fencing.Policy{fencing.Epoch}
	objects, err := fencing.Objects(epoch)
	if err != nil {
		return fmt.Errorf("manager: %w", err)
	}
	detection.Fenced = func(ctx context.Context) bool { return m.inForce(ctx, objects) }
	return nil
}

// inForce reports whether the policies are in the cluster as they should be.
func (m *Manager) inForce(ctx context.Context, objects []client.Object) bool {
	ctx, cancel := context.WithTimeoutCause(ctx, preflightTimeout, errors.New("no answer in time"))
	defer cancel()
	err := fencing.Installed(ctx, m.fencer.client, objects...)
	if err != nil && ctx.Err() == nil {
		m.gate.log.InfoContext(ctx, "late writes of the leader that has crashed may be accepted: the fencing policy is not known to be in force", "err", err)
	}
	return err == nil
}
