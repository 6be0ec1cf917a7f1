// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"context"
	"errors"
	"fmt"

	"github.com/kube-elector/elector/manager/fencing"
)

// fenceCrashes lets the Elector lead, and shards move, at once after a crash, if the policy Epoch is in force then.
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
	m.fencer.epoch = objects
	detection.Fenced = m.epochInForce
	return nil
}

// prepareForCrash looks once for what a crash is going to make this replica look for. Then the client has learned of
// the API group, and has a connection, before it is in a hurry.
func (m *Manager) prepareForCrash(ctx context.Context) {
	if m.fencer != nil && len(m.fencer.epoch) > 0 {
		_ = fencing.Installed(ctx, m.fencer.client, m.fencer.epoch...)
	}
}

// epochInForce reports whether the policy Epoch is in the cluster as it should be.
func (m *Manager) epochInForce(ctx context.Context) bool {
	ctx, cancel := context.WithTimeoutCause(ctx, preflightTimeout, errors.New("no answer in time"))
	defer cancel()
	err := fencing.Installed(ctx, m.fencer.client, m.fencer.epoch...)
	if err != nil && ctx.Err() == nil {
		m.gate.log.InfoContext(ctx, "late writes of the replica that has crashed may be accepted: the fencing policy is not known to be in force", "err", err)
	}
	return err == nil
}
