// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import "flag"

// BindFlags adds the flags that Kubernetes' own components have for leader
// election, with the Config's present values as their defaults (zero durations
// show the ones New would fill in). Parse them before New. With pflag, pass them
// on by AddGoFlagSet.
func (c *Config) BindFlags(flags *flag.FlagSet) {
	c.setDurations()
	flags.BoolVar(&c.Enabled, "leader-elect", c.Enabled,
		"Elect a leader among the replicas before doing the leader's work. Without it this replica leads at once.")
	flags.DurationVar(&c.LeaseDuration, "leader-elect-lease-duration", c.LeaseDuration,
		"How long the other replicas wait, after the last renewal they saw, before they claim the lease. Whole seconds.")
	flags.DurationVar(&c.RenewDeadline, "leader-elect-renew-deadline", c.RenewDeadline,
		"How long after its last acknowledged renewal the leader goes on. Less than the lease duration.")
	flags.DurationVar(&c.RetryPeriod, "leader-elect-retry-period", c.RetryPeriod,
		"How long to wait between two renewals, or two tries.")
	flags.StringVar(&c.LeaseName, "leader-elect-resource-name", c.LeaseName,
		"Name of the Lease.")
	flags.StringVar(&c.LeaseNamespace, "leader-elect-resource-namespace", c.LeaseNamespace,
		"Namespace of the Lease. Default: the pod's own.")
}
