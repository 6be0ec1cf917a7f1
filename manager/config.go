// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"time"

	"k8s.io/client-go/tools/leaderelection/resourcelock"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/kube-elector/elector/elector"
)

const (
	// defaultGrace is controller-runtime's default GracefulShutdownTimeout.
	defaultGrace = 30 * time.Second
	// forever stands for a negative GracefulShutdownTimeout.
	forever = 10 * 365 * 24 * time.Hour
	// maxReserve is the most that is kept of GracefulShutdownTimeout for what follows the gated work.
	maxReserve = time.Second
)

// electorConfig returns what the options say about leader election. It refuses what it cannot honour, all in one error.
func electorConfig(o ctrl.Options, s settings) (elector.Config, error) {
	config := elector.Config{DrainTimeout: drainTimeout(o.GracefulShutdownTimeout)}
	var faults []error
	if grace := o.GracefulShutdownTimeout; grace != nil && 0 < *grace && *grace < elector.MinDuration {
		faults = append(faults, fmt.Errorf("GracefulShutdownTimeout: %v: must be at least %v, or 0, or negative for no limit; a number without a unit counts nanoseconds", *grace, elector.MinDuration))
	}
	if s.logger != nil && o.Logger.GetSink() != nil {
		faults = append(faults, errors.New("Logger: set here and by WithLogger: choose one"))
	}
	faults = append(faults, s.shardFaults()...)
	if !o.LeaderElection {
		// As in controller-runtime, the other options then mean nothing.
		return config, errors.Join(faults...)
	}
	config.Enabled = true
	config.LeaseName = o.LeaderElectionID
	config.LeaseNamespace = cmp.Or(o.LeaderElectionNamespace, podNamespace())
	config.Labels, config.Annotations = o.LeaderElectionLabels, s.tells
	var err error
	if config.CrashDetection, err = s.crash.config(); err != nil {
		faults = append(faults, err)
	}
	config.ReleaseOnCancel = !s.keepLease
	faults = append(faults, unsupported(o, s)...)
	faults = append(faults, serviceFaults(s.services)...)
	for _, d := range []struct {
		name string
		from *time.Duration
		to   *time.Duration
	}{
		{"LeaseDuration", o.LeaseDuration, &config.LeaseDuration},
		{"RenewDeadline", o.RenewDeadline, &config.RenewDeadline},
		{"RetryPeriod", o.RetryPeriod, &config.RetryPeriod},
	} {
		switch {
		case d.from == nil:
		case *d.from <= 0:
			faults = append(faults, fmt.Errorf("%s: %v: must be positive (nil means the default)", d.name, *d.from))
		default:
			*d.to = *d.from
		}
	}
	if config.LeaseNamespace == "" {
		faults = append(faults, errors.New("LeaderElectionNamespace: \"\": is required outside a cluster (inside one it defaults to the pod's namespace)"))
	}
	checked := config
	if o.LeaderElectionID == "" {
		faults = append(faults, errors.New("LeaderElectionID: \"\": is required with LeaderElection"))
		checked.LeaseName = "named-above"
	}
	if err := checked.Validate(); err != nil {
		faults = append(faults, fmt.Errorf("(LeaderElectionID is the LeaseName, LeaderElectionNamespace the LeaseNamespace, LeaderElectionLabels the Labels, WithLeaderAnnotations the Annotations)\n%w", err))
	}
	return config, errors.Join(faults...)
}

func unsupported(o ctrl.Options, s settings) []error {
	var faults []error
	if o.LeaderElectionResourceLockInterface != nil {
		faults = append(faults, errors.New("LeaderElectionResourceLockInterface: not supported: the Elector writes the Lease itself, or it could promise nothing about it"))
	}
	if l := o.LeaderElectionResourceLock; l != "" && l != resourcelock.LeasesResourceLock {
		faults = append(faults, fmt.Errorf("LeaderElectionResourceLock: %q: only %q is supported", l, resourcelock.LeasesResourceLock))
	}
	if o.LeaderElectionReleaseOnCancel && s.keepLease {
		faults = append(faults, errors.New("LeaderElectionReleaseOnCancel: true, and WithoutRelease is given: choose one"))
	}
	if v := reflect.ValueOf(s.clientset); v.Kind() == reflect.Pointer && v.IsNil() {
		faults = append(faults, fmt.Errorf("WithClientset: %T: must not be a nil pointer", s.clientset))
	}
	if o.LeaderElectionConfig != nil && s.clientset != nil {
		faults = append(faults, errors.New("LeaderElectionConfig: set here, and WithClientset is given: choose one"))
	}
	return faults
}

// podNamespace returns the namespace of the pod this process runs in, as the Elector finds it, or "". Here it is needed
// to name the Lease in messages.
func podNamespace() string {
	c, _ := elector.Config{Enabled: true, Identity: "any"}.Complete() // Without one, the Elector says what is wrong.
	return c.LeaseNamespace
}

// withoutElection returns o for the inner manager, which must not hold an election of its own.
func withoutElection(o ctrl.Options) ctrl.Options {
	o.LeaderElection = false
	o.LeaderElectionResourceLock = ""
	o.LeaderElectionNamespace = ""
	o.LeaderElectionID = ""
	o.LeaderElectionConfig = nil
	o.LeaderElectionReleaseOnCancel = false
	o.LeaderElectionLabels = nil
	o.LeaderElectionResourceLockInterface = nil
	o.LeaseDuration, o.RenewDeadline, o.RetryPeriod = nil, nil, nil
	return o
}

// drainTimeout returns how long gated work may take to stop. The inner manager gives everything that stops, together,
// GracefulShutdownTimeout. So a tenth of it, at most maxReserve, is kept for the release, the caches, webhooks and
// servers, and for naming what hangs.
func drainTimeout(grace *time.Duration) time.Duration {
	switch {
	case grace == nil:
		return defaultGrace - maxReserve
	case *grace < 0:
		return forever
	case *grace == 0:
		// Start then returns without waiting. This is for a lost term, and for the Lease not to be released for as long as
		// the work goes on.
		return elector.DefaultDrainTimeout
	}
	return max(*grace-min(*grace/10, maxReserve), elector.MinDuration)
}
