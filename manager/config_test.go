// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/kube-elector/elector/elector"
	"github.com/kube-elector/elector/elector/leasetest"
)

// election returns the options that controller-runtime has for leader election, all set except for the two that are
// refused.
func election() ctrl.Options {
	return ctrl.Options{
		LeaderElection:                true,
		LeaderElectionResourceLock:    resourcelock.LeasesResourceLock,
		LeaderElectionNamespace:       "ns",
		LeaderElectionID:              "id",
		LeaderElectionConfig:          &rest.Config{},
		LeaderElectionReleaseOnCancel: true,
		LeaderElectionLabels:          map[string]string{"k": "v"},
		LeaseDuration:                 ptr.To(20 * time.Second),
		RenewDeadline:                 ptr.To(12 * time.Second),
		RetryPeriod:                   ptr.To(3 * time.Second),
	}
}

func TestElectionOptionsBecomeTheElectorsConfig(t *testing.T) {
	got, err := electorConfig(election(), settings{})
	if err != nil {
		t.Fatal(err)
	}
	want := elector.Config{
		Enabled: true, LeaseName: "id", LeaseNamespace: "ns", Labels: map[string]string{"k": "v"},
		LeaseDuration: 20 * time.Second, RenewDeadline: 12 * time.Second, RetryPeriod: 3 * time.Second,
		ReleaseOnCancel: true, DrainTimeout: 29 * time.Second,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestCleanStopReleasesUnlessToldOtherwise(t *testing.T) {
	o := election()
	o.LeaderElectionReleaseOnCancel = false
	if c, err := electorConfig(o, settings{}); err != nil || !c.ReleaseOnCancel {
		t.Errorf("as kubebuilder scaffolds it: ReleaseOnCancel is %v, %v", c.ReleaseOnCancel, err)
	}
	if c, err := electorConfig(o, settings{keepLease: true}); err != nil || c.ReleaseOnCancel {
		t.Errorf("WithoutRelease: ReleaseOnCancel is %v, %v", c.ReleaseOnCancel, err)
	}
}

// Every option of controller-runtime that is about the election must be looked at here: a new one fails this test until
// it is.
func TestInnerManagerGetsNoElectionOption(t *testing.T) {
	cleared := reflect.ValueOf(withoutElection(election()))
	for i := range cleared.NumField() {
		name := cleared.Type().Field(i).Name
		if strings.HasPrefix(name, "Leader") || name == "LeaseDuration" || name == "RenewDeadline" || name == "RetryPeriod" {
			if !cleared.Field(i).IsZero() {
				t.Errorf("%s reaches the inner manager: %v", name, cleared.Field(i))
			}
			if full := reflect.ValueOf(election()).Field(i); full.IsZero() && name != "LeaderElectionResourceLockInterface" {
				t.Errorf("%s is not known to this test", name)
			}
		}
	}
}

func TestOptionsThatCannotBeHonouredAreRefusedByName(t *testing.T) {
	for name, test := range map[string]struct {
		change   func(*ctrl.Options)
		settings settings
		want     []string
	}{
		"a lock of their own": {
			change: func(o *ctrl.Options) { o.LeaderElectionResourceLockInterface = &resourcelock.LeaseLock{} },
			want:   []string{"LeaderElectionResourceLockInterface: not supported"},
		},
		"another kind of lock": {
			change: func(o *ctrl.Options) { o.LeaderElectionResourceLock = "configmapsleases" },
			want:   []string{`LeaderElectionResourceLock: "configmapsleases": only "leases"`},
		},
		"no name": {
			change: func(o *ctrl.Options) { o.LeaderElectionID = "" },
			want:   []string{`LeaderElectionID: "": is required`},
		},
		"no namespace, and no pod to have one": {
			change: func(o *ctrl.Options) { o.LeaderElectionNamespace = "" },
			want:   []string{`LeaderElectionNamespace: "": is required outside a cluster`},
		},
		"a bad name": {
			change: func(o *ctrl.Options) { o.LeaderElectionID = "Not_A_Name" },
			want:   []string{"LeaderElectionID is the LeaseName", `LeaseName: "Not_A_Name"`},
		},
		"a zero duration": {
			change: func(o *ctrl.Options) { o.RetryPeriod = ptr.To(time.Duration(0)) },
			want:   []string{"RetryPeriod: 0s: must be positive"},
		},
		"durations without a unit": {
			change: func(o *ctrl.Options) {
				o.LeaseDuration, o.RenewDeadline, o.RetryPeriod = ptr.To[time.Duration](15), ptr.To[time.Duration](10), ptr.To[time.Duration](2)
			},
			want: []string{"did you mean 15s?", "did you mean 10s?", "RetryPeriod: 2ns: must be at least 10ms; a number without a unit counts nanoseconds: did you mean 2s?"},
		},
		"a grace period without a unit": {
			change: func(o *ctrl.Options) { o.GracefulShutdownTimeout = ptr.To[time.Duration](30) },
			want:   []string{"GracefulShutdownTimeout: 30ns: must be at least 10ms"},
		},
		"a nil pointer as clientset": {
			change:   func(o *ctrl.Options) { o.LeaderElectionConfig = nil },
			settings: settings{clientset: (*leasetest.Client)(nil)},
			want:     []string{"WithClientset: *leasetest.Client: must not be a nil pointer"},
		},
		"no name, and other faults": {
			change: func(o *ctrl.Options) { o.LeaderElectionID, o.RetryPeriod = "", ptr.To(time.Minute) },
			want:   []string{`LeaderElectionID: "": is required`, "RenewDeadline: 12s: must be greater than RetryPeriod (1m0s)"},
		},
		"fractions of seconds": {
			change: func(o *ctrl.Options) { o.LeaseDuration = ptr.To(15500 * time.Millisecond) },
			want:   []string{"LeaseDuration: 15.5s: must be whole seconds"},
		},
		"release and no release": {
			settings: settings{keepLease: true},
			want:     []string{"LeaderElectionReleaseOnCancel: true, and WithoutRelease"},
		},
		"two clients": {
			settings: settings{clientset: fake.NewClientset()},
			want:     []string{"LeaderElectionConfig: set here, and WithClientset"},
		},
		"two loggers": {
			change:   func(o *ctrl.Options) { o.Logger = logr.New(funcSink{}) },
			settings: settings{logger: slog.Default()},
			want:     []string{"Logger: set here and by WithLogger"},
		},
		"all at once": {
			change: func(o *ctrl.Options) {
				o.LeaderElectionResourceLockInterface = &resourcelock.LeaseLock{}
				o.LeaderElectionResourceLock = "endpointsleases"
				o.LeaseDuration = ptr.To(-time.Second)
				o.LeaderElectionLabels = map[string]string{"bad key!": ""}
			},
			want: []string{"LeaderElectionResourceLockInterface", "LeaderElectionResourceLock: ", "LeaseDuration: -1s", "bad key!"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := election()
			if test.change != nil {
				test.change(&o)
			}
			_, err := electorConfig(o, test.settings)
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q\nlacks %q", err, want)
				}
			}
		})
	}
}

func TestWithoutLeaderElectionTheOtherOptionsMeanNothing(t *testing.T) {
	o := election()
	o.LeaderElection = false
	o.LeaderElectionID = ""
	o.LeaderElectionResourceLockInterface = &resourcelock.LeaseLock{}
	c, err := electorConfig(o, settings{})
	if err != nil || c.Enabled {
		t.Errorf("Enabled %v, %v", c.Enabled, err)
	}
}

func TestDrainTimeoutLeavesTimeWithinTheGracePeriod(t *testing.T) {
	for grace, want := range map[*time.Duration]time.Duration{
		nil:                         29 * time.Second,
		ptr.To(2 * time.Minute):     119 * time.Second,
		ptr.To(2 * time.Second):     1800 * time.Millisecond,
		ptr.To(time.Duration(0)):    elector.DefaultDrainTimeout,
		ptr.To(-time.Second):        forever,
		ptr.To(elector.MinDuration): elector.MinDuration,
	} {
		if got := drainTimeout(grace); got != want {
			t.Errorf("grace %v: drain timeout %v, want %v", grace, got, want)
		}
	}
}

// funcSink is a sink that is not nil.
type funcSink struct{ logr.LogSink }

func (funcSink) Init(logr.RuntimeInfo) {}
