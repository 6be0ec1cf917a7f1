// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"flag"
	"fmt"
	"time"

	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// BindFlags adds the flags that Kubernetes' own components have for leader election. Their defaults are the Config's
// present values, and a zero duration shows the value that [New] would fill in. Parse refuses a duration below
// [MinDuration], and a resource lock other than "leases". Call it before flags.Parse, and New after that. With pflag,
// pass the flags on by AddGoFlagSet.
func (c *Config) BindFlags(flags *flag.FlagSet) {
	c.setDurations()
	flags.BoolVar(&c.Enabled, "leader-elect", c.Enabled,
		"Elect a leader among the replicas before doing the leader's work. Without it this replica leads at once.")
	flags.Var((*durationValue)(&c.LeaseDuration), "leader-elect-lease-duration",
		"The `duration` that the other replicas wait, after the last renewal they saw, before they claim the lease. Whole seconds.")
	flags.Var((*durationValue)(&c.RenewDeadline), "leader-elect-renew-deadline",
		"The `duration` for which a leader goes on after its last acknowledged renewal. Less than the lease duration.")
	flags.Var((*durationValue)(&c.RetryPeriod), "leader-elect-retry-period",
		"The `duration` between two renewals, or two tries.")
	lock := lockValue(resourcelock.LeasesResourceLock)
	flags.Var(&lock, "leader-elect-resource-lock",
		"The `kind` of object that is used for the election. Only \"leases\" is supported.")
	flags.StringVar(&c.LeaseName, "leader-elect-resource-name", c.LeaseName,
		"Name of the Lease.")
	flags.StringVar(&c.LeaseNamespace, "leader-elect-resource-namespace", c.LeaseNamespace,
		"Namespace of the Lease. Default: the pod's own.")
}

// durationValue is a flag of a Config's duration. In a Config 0 means the default. On a command line it is a mistake,
// like any other duration that is too short, since a user who writes it does not expect 15 seconds.
type durationValue time.Duration

// Set implements flag.Value.
func (v *durationValue) Set(text string) error {
	d, err := time.ParseDuration(text)
	if err != nil {
		return err //nolint:wrapcheck // package flag names the flag and the value
	}
	if d < MinDuration {
		return fmt.Errorf("must be at least %v; leave the flag out for its default", MinDuration)
	}
	*v = durationValue(d)
	return nil
}

// String implements flag.Value.
func (v *durationValue) String() string { return time.Duration(*v).String() }

// Get implements flag.Getter.
func (v *durationValue) Get() any { return time.Duration(*v) }

// Type makes it a pflag.Value.
func (v *durationValue) Type() string { return "duration" }

// lockValue is the flag of the kind of lock, of which one is left.
type lockValue string

// Set implements flag.Value.
func (v *lockValue) Set(text string) error {
	if text != resourcelock.LeasesResourceLock {
		return fmt.Errorf("only %q is supported: client-go has removed the locks on Endpoints and ConfigMaps", resourcelock.LeasesResourceLock)
	}
	return nil
}

// String implements flag.Value.
func (v *lockValue) String() string { return string(*v) }

// Type makes it a pflag.Value.
func (v *lockValue) Type() string { return "string" }
