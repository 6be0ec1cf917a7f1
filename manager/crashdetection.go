// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"context"
	"errors"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kube-elector/elector/elector"
	"github.com/kube-elector/elector/manager/fencing"
)

// WithCrashDetection sets [elector.Config.CrashDetection]: when the container of the leader has ended, another replica
// takes over before the Lease has lapsed. By default it waits for LeaseDuration−RenewDeadline after the kubelet has
// reported the end, because requests that the former leader had sent
// may still be carried out. With [WithFencing] and its policy [fencing.Epoch] it does not wait, if the policy is found
// in the cluster: that refuses them. detection changes the defaults, and may be left out.
//
// The Deployment must set POD_NAME, POD_NAMESPACE and POD_UID by fieldRef, and the replicas need the permissions to get
// and watch Pods in their namespace. Without LeaderElection it does nothing. With [WithShards] it is about the leader
// alone: shards of a replica that crashes move when its session has lapsed.
func WithCrashDetection(detection ...elector.CrashDetection) Option {
	return func(o *settings) {
		o.crash.given = true
		o.crash.all = append(o.crash.all, detection...)
	}
}

// crashSettings are what WithCrashDetection says.
type crashSettings struct {
	given bool
	all   []elector.CrashDetection
}

// config returns the settings for the Elector, nil for none.
func (s crashSettings) config() (*elector.CrashDetection, error) {
	switch {
	case !s.given:
		return nil, nil //nolint:nilnil // nobody has asked for it
	case len(s.all) == 0:
		return new(elector.CrashDetection), nil
	case len(s.all) > 1:
		return nil, fmt.Errorf("WithCrashDetection: %d settings: must be one at most", len(s.all))
	}
	detection := s.all[0]
	return &detection, nil
}

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
