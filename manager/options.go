// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"fmt"
	"log/slog"

	"k8s.io/client-go/kubernetes"

	"github.com/kube-elector/elector/elector"
	"github.com/kube-elector/elector/manager/fencing"
)

// Option changes what [New] makes. New ignores a nil Option.
type Option func(*settings)

type settings struct {
	keepLease bool
	logger    *slog.Logger
	healthz   string
	exit      func(error)
	callbacks elector.Callbacks
	clientset kubernetes.Interface
	identity  string
	tells     map[string]string
	services  []leaderService
	fencing   *fencing.Settings
	fences    []FenceOption
	shards    shardSettings
	crash     crashSettings

	reElection, cold, electedAsProbe bool
}

// WithoutRelease lets the Lease lapse when the Manager stops, instead of handing it over. The next leader then waits
// for a whole LeaseDuration.
func WithoutRelease() Option {
	return func(s *settings) { s.keepLease = true }
}

// WithLogger makes the Manager, its controllers and its Elector log through logger. It takes the place of
// ctrl.Options.Logger. By default the Elector logs through the manager's logger. For what controller-runtime and
// client-go log by their own globals, main calls ctrl.SetLogger(NewLogr(logger)).
func WithLogger(logger *slog.Logger) Option {
	return func(s *settings) { s.logger = logger }
}

// WithHealthzCheck adds [elector.Elector.Healthz] to the manager's liveness checks under this name.
// [Manager.AddHealthzCheck] then refuses the name; the scaffold of kubebuilder adds one called "healthz".
func WithHealthzCheck(name string) Option {
	return func(s *settings) { s.healthz = name }
}

// WithExitHook sets a function that is called when gated work has not stopped within the time it is given, with the
// error that Start would return, which names the runnables that hang. The Lease is not renewed any more by then and
// will lapse. A hook that ends the process ends the work too. If it returns, Start returns. By default there is no
// hook.
func WithExitHook(exit func(error)) Option {
	return func(s *settings) { s.exit = exit }
}

// WithCallbacks makes the Elector call these, too. It calls OnStartedLeading once the gated runnables have been
// started, and OnStoppedLeading after they have returned.
func WithCallbacks(callbacks elector.Callbacks) Option {
	return func(s *settings) { s.callbacks = callbacks }
}

// WithLeaderAnnotations sets [elector.Config.Annotations], which the others can read while this replica leads. [New]
// refuses bad ones.
func WithLeaderAnnotations(annotations map[string]string) Option {
	return func(s *settings) { s.tells = annotations }
}

// WithClientset makes the Elector reach the Lease by this clientset, which is also used to check the permissions on the
// Lease and to record Events about it. By default there is one for the Lease alone, from LeaderElectionConfig or else
// the Manager's rest.Config, so that no other traffic can delay it.
func WithClientset(clientset kubernetes.Interface) Option {
	return func(s *settings) { s.clientset = clientset }
}

// WithCrashDetection sets [elector.Config.CrashDetection]: when the container of the leader has ended, another replica
// takes over before the Lease has lapsed. By default it waits for LeaseDuration−RenewDeadline after the kubelet has
// reported the end, because requests that the former leader had sent may still be carried out. With [WithFencing] and
// its policy [fencing.Epoch] it does not wait, if the policy is found in the cluster: that refuses them. detection
// changes the defaults, and may be left out.
//
// The Deployment must set POD_NAME, POD_NAMESPACE and POD_UID by fieldRef, and the replicas need the permissions to get
// and watch Pods in their namespace. Without LeaderElection it does nothing. With [WithShards] the shards of any
// replica that crashes move by the same rules. CrashDetection.Fenced is called for them, too, several times at once.
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
