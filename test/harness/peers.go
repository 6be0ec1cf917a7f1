// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/kube-elector/elector/elector"
)

// The names of the peers.
const (
	Ours              = "elector"
	ClientGo          = "client-go"
	ControllerRuntime = "controller-runtime"
)

// Timing has the durations of a Lease.
type Timing struct{ LeaseDuration, RenewDeadline, RetryPeriod time.Duration }

var (
	// Defaults is the timing of Kubernetes, at which the durations of faults are given.
	Defaults = Timing{15 * time.Second, 10 * time.Second, 2 * time.Second}
	// Quick is five times as fast.
	Quick = Timing{3 * time.Second, 2 * time.Second, 400 * time.Millisecond}
)

// Scale converts a duration of a run at the [Defaults] to this timing.
func (t Timing) Scale(d time.Duration) time.Duration {
	return time.Duration(float64(d) * float64(t.LeaseDuration) / float64(Defaults.LeaseDuration))
}

// Survives returns how long an outage may last that every leader survives.
func (t Timing) Survives() time.Duration { return t.RenewDeadline - t.RetryPeriod }

// A Candidate is what all peers are told about an election.
type Candidate struct {
	Namespace, Lease, Identity string
	Timing
}

// LeaderElector returns client-go's, which releases the Lease when it is stopped.
func LeaderElector(client kubernetes.Interface, c Candidate, callbacks leaderelection.LeaderCallbacks) (*leaderelection.LeaderElector, error) {
	return leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock:          c.Lock(client),
		LeaseDuration: c.LeaseDuration, RenewDeadline: c.RenewDeadline, RetryPeriod: c.RetryPeriod, ReleaseOnCancel: true,
		Callbacks: callbacks,
	})
}

// Lock returns client-go's lock.
func (c Candidate) Lock(client kubernetes.Interface) *resourcelock.LeaseLock {
	return &resourcelock.LeaseLock{
		LeaseMeta:  metav1.ObjectMeta{Namespace: c.Namespace, Name: c.Lease},
		Client:     client.CoordinationV1(),
		LockConfig: resourcelock.ResourceLockConfig{Identity: c.Identity},
	}
}

// Config returns the configuration of an Elector.
func (c Candidate) Config() elector.Config {
	return elector.Config{
		Enabled: true, Identity: c.Identity, LeaseName: c.Lease, LeaseNamespace: c.Namespace, ReleaseOnCancel: true,
		LeaseDuration: c.LeaseDuration, RenewDeadline: c.RenewDeadline, RetryPeriod: c.RetryPeriod,
	}
}

// Options returns the options of a manager whose caches are about the Lease's namespace. It serves nothing.
func (c Candidate) Options() ctrl.Options {
	return ctrl.Options{
		Metrics:                       metricsserver.Options{BindAddress: "0"},
		HealthProbeBindAddress:        "0",
		Cache:                         cache.Options{DefaultNamespaces: map[string]cache.Config{c.Namespace: {}}},
		LeaderElection:                true,
		LeaderElectionID:              c.Lease,
		LeaderElectionNamespace:       c.Namespace,
		LeaderElectionReleaseOnCancel: true,
		LeaseDuration:                 &c.LeaseDuration,
		RenewDeadline:                 &c.RenewDeadline,
		RetryPeriod:                   &c.RetryPeriod,
	}
}
