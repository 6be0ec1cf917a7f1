// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"k8s.io/apimachinery/pkg/api/validation"
	metavalidation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/client-go/tools/events"
)

// Defaults of Config. The three durations are those of Kubernetes' own components (k8s.io/component-base) and of
// controller-runtime.
const (
	DefaultLeaseDuration = 15 * time.Second
	DefaultRenewDeadline = 10 * time.Second
	DefaultRetryPeriod   = 2 * time.Second
	DefaultDrainTimeout  = 30 * time.Second

	// MinDuration is the shortest duration accepted in any field. Shorter ones are mistakes. In Go a bare 2 is two
	// nanoseconds.
	MinDuration = 10 * time.Millisecond

	// MaxLeaseDuration is the longest LeaseDuration accepted. A longer one that somebody has written into a Lease is
	// waited for only if its holder seems to live, and for a day at most; see guarantee 10 in the package comment. Twice
	// the longest duration published for a production system (270 s).
	MaxLeaseDuration = 10 * time.Minute

	// jitterFactor is client-go's. It waits up to RetryPeriod times this.
	jitterFactor = 1.2

	// inClusterNamespaceFile is where the kubelet writes the pod's namespace.
	inClusterNamespaceFile = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"
)

// Config says which Lease is contended for, by whom, and how fast. [New] copies it, so that later changes to the
// caller's value have no effect.
type Config struct {
	// Enabled turns the election on. When false no Lease is read or written and this replica leads from Start to its end:
	// only safe where nothing else ever runs beside it, such as a single replica on a developer's machine. New warns if it
	// is false and a LeaseName or a clientset is given, since client-go's configuration has no such field.
	Enabled bool
	// Identity names this candidate in the Lease and must be unique among the candidates. Default: the environment's
	// POD_NAME, or else the hostname, then "_" and a random UUID. Two processes with one Identity are found out and never
	// lead together, but one of them will stand by for ever.
	Identity string
	// LeaseName is the name of the Lease. Required when Enabled.
	LeaseName string
	// LeaseNamespace is the Lease's namespace. Default: the namespace of the pod this process runs in; New fails outside a
	// cluster if it is empty.
	LeaseNamespace string
	// Labels are set on the Lease when it is acquired. Other labels are kept.
	Labels map[string]string
	// Annotations are what the others can read of this replica while it leads, such as its address or its version; see
	// [Elector.Leader]. They are written with the claim and with every renewal, cost no request, and are removed with the
	// release or by the next leader's claim. Other annotations are kept. Keys that end in kube-elector.io before the slash
	// are reserved, and all keys and values may have MaxAnnotations bytes. They are left out, and New's logger says so, if
	// the other annotations of the Lease leave no room for them.
	Annotations map[string]string
	// LeaseDuration is how long the others wait, after the last change they saw in the Lease, before they claim it: the
	// time a crash costs. Default 15s; whole seconds, since the Lease records seconds; at most MaxLeaseDuration. Like the
	// other three durations it is never below MinDuration, and 0 means the default.
	LeaseDuration time.Duration
	// RenewDeadline is how long after the sending of the last acknowledged renewal this replica still leads. Default 10s.
	// LeaseDuration minus RenewDeadline is the time the leader's work has to react to its cancelled context, and the
	// allowance for clocks that run at different rates.
	RenewDeadline time.Duration
	// RetryPeriod is the time between two renewals. A standby that cannot watch the Lease reads it at this rate at first
	// and then more slowly, as the package comment says under Load. Default 2s.
	RetryPeriod time.Duration
	// ReleaseOnCancel gives the Lease up when Start's context is cancelled, after the leader's work has returned, so that
	// the next leader follows at once instead of after LeaseDuration. Unlike client-go's option of this name it is safe
	// whatever the work does. Start returns [ErrNotReleased] if it fails.
	ReleaseOnCancel bool
	// DrainTimeout is how long ending work is waited for when a term ends. In a voluntary end the Lease is renewed
	// meanwhile. After a lost term the wait is over LeaseDuration minus RenewDeadline after the loss, if that is sooner.
	// Work that takes longer makes Start return [ErrDrainTimeout], and the Lease is not released. DrainTimeout also bounds
	// how long Start takes to return when its context is cancelled, whatever hangs. Default 30s.
	DrainTimeout time.Duration
	// EventRecorder, if set, records Kubernetes Events on the Lease. Its methods must not block, and it must belong to the
	// Lease's cluster. Default: none.
	EventRecorder events.EventRecorder
	// CrashDetection makes the others notice at once when this process has crashed. Default: nil, and a crash costs
	// LeaseDuration.
	CrashDetection *CrashDetection
}

// withDefaults returns a copy of the config with its zero fields filled in.
func (c Config) withDefaults() (Config, error) {
	c.setDurations()
	c.Labels, c.Annotations = maps.Clone(c.Labels), maps.Clone(c.Annotations)
	if c.CrashDetection != nil {
		detection := *c.CrashDetection
		if c.Enabled {
			detection.complete()
		}
		c.CrashDetection = &detection
	}
	var faults []error
	if c.Identity == "" {
		host := os.Getenv("POD_NAME")
		if host == "" {
			var err error
			if host, err = os.Hostname(); err != nil {
				faults = append(faults, fmt.Errorf("Identity: not set, and the hostname cannot be read: %w", err))
			}
		}
		c.Identity = host + "_" + uuid.NewString()
	}
	if c.LeaseNamespace == "" && c.Enabled {
		ns, err := os.ReadFile(inClusterNamespaceFile)
		if err != nil {
			faults = append(faults, fmt.Errorf("LeaseNamespace: required outside a cluster (inside one it defaults to the pod's namespace): %w", err))
		}
		c.LeaseNamespace = strings.TrimSpace(string(ns))
	}
	return c, errors.Join(faults...)
}

func (c *Config) setDurations() {
	c.LeaseDuration = cmp.Or(c.LeaseDuration, DefaultLeaseDuration)
	c.RenewDeadline = cmp.Or(c.RenewDeadline, DefaultRenewDeadline)
	c.RetryPeriod = cmp.Or(c.RetryPeriod, DefaultRetryPeriod)
	c.DrainTimeout = cmp.Or(c.DrainTimeout, DefaultDrainTimeout)
}

// Validate reports every rule the config breaks, joined into one error, each naming the field, its value and the rule.
// Zero fields that have a default are valid. [New] calls it. It is exported for programs that load a Config and want to
// refuse it early.
func (c Config) Validate() error {
	c.setDurations()
	faults := c.durationFaults()
	if c.Enabled {
		faults = append(faults, c.nameFaults()...)
	}
	return errors.Join(faults...)
}

func (c Config) durationFaults() []error {
	var faults []error
	for _, d := range []struct {
		field string
		value time.Duration
	}{
		{"LeaseDuration", c.LeaseDuration}, {"RenewDeadline", c.RenewDeadline},
		{"RetryPeriod", c.RetryPeriod}, {"DrainTimeout", c.DrainTimeout},
	} {
		if tooShort(d.value) {
			faults = append(faults, fmt.Errorf("%s: %v: must be at least %v%s", d.field, d.value, MinDuration, unitHint(d.value)))
		}
	}
	// A field that is too short has its fault already, and breaks no other rule.
	rule := func(broken bool, format string, values ...any) {
		for _, v := range values {
			if d, ok := v.(time.Duration); ok && tooShort(d) {
				return
			}
		}
		if broken {
			faults = append(faults, fmt.Errorf(format, values...))
		}
	}
	rule(c.LeaseDuration%time.Second != 0,
		"LeaseDuration: %v: must be whole seconds, as the Lease records seconds", c.LeaseDuration)
	rule(c.LeaseDuration < time.Second || c.LeaseDuration > MaxLeaseDuration,
		"LeaseDuration: %v: must be between 1s and %v", c.LeaseDuration, MaxLeaseDuration)
	rule(c.RenewDeadline <= 0,
		"RenewDeadline: %v: must be positive", c.RenewDeadline)
	rule(c.LeaseDuration <= c.RenewDeadline,
		"LeaseDuration: %v: must be greater than RenewDeadline (%v), or the work has no time to stop before another leads", c.LeaseDuration, c.RenewDeadline)
	rule(c.RetryPeriod <= 0,
		"RetryPeriod: %v: must be positive", c.RetryPeriod)
	// They are floating-point numbers, since the product may be too large for a Duration.
	rule(float64(c.RenewDeadline) <= jitterFactor*float64(c.RetryPeriod),
		"RenewDeadline: %v: must be greater than RetryPeriod (%v) times %v, or a renewal that is lost leaves no time for another", c.RenewDeadline, c.RetryPeriod, jitterFactor)
	rule(c.DrainTimeout < 0,
		"DrainTimeout: %v: must not be negative", c.DrainTimeout)
	return faults
}

// tooShort reports whether d is positive and below MinDuration.
func tooShort(d time.Duration) bool { return 0 < d && d < MinDuration }

// unitHint returns what a duration was probably meant to be, if it looks like a number of seconds or milliseconds
// without its unit.
func unitHint(d time.Duration) string {
	switch {
	case d < time.Microsecond:
		return fmt.Sprintf("; a number without a unit counts nanoseconds: did you mean %v?", time.Duration(d.Nanoseconds()*int64(time.Second)))
	case d < time.Millisecond:
		return fmt.Sprintf("; a number without a unit counts nanoseconds: did you mean %v?", time.Duration(d.Nanoseconds()*int64(time.Millisecond)))
	}
	return ""
}

func (c Config) nameFaults() []error {
	var faults []error
	check := func(fieldName, value string, rules []string) {
		for _, rule := range rules {
			faults = append(faults, fmt.Errorf("%s: %q: %s", fieldName, value, rule))
		}
	}
	if c.LeaseName == "" {
		faults = append(faults, errors.New("LeaseName: \"\": is required"))
	} else {
		check("LeaseName", c.LeaseName, validation.NameIsDNSSubdomain(c.LeaseName, false))
	}
	if c.LeaseNamespace != "" {
		check("LeaseNamespace", c.LeaseNamespace, validation.ValidateNamespaceName(c.LeaseNamespace, false))
	}
	if strings.TrimSpace(c.Identity) != c.Identity || len(c.Identity) > maxIdentity {
		faults = append(faults, fmt.Errorf("Identity: %q: must be at most %d bytes without leading or trailing space", short(c.Identity), maxIdentity))
	}
	if c.EventRecorder != nil && isNil(c.EventRecorder) {
		faults = append(faults, fmt.Errorf("EventRecorder: %T: must not be a nil pointer", c.EventRecorder))
	}
	for _, fault := range metavalidation.ValidateLabels(c.Labels, field.NewPath("Labels")) {
		faults = append(faults, fault)
	}
	return slices.Concat(faults, c.annotationFaults(), c.crashFaults())
}

// maxIdentity keeps an Identity usable in Events and log lines.
const maxIdentity = 512
