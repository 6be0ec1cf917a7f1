// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"flag"
	"io"
	"maps"
	"reflect"
	"strings"
	"testing"
	"time"
)

func newFlags(config *Config) *flag.FlagSet {
	flags := flag.NewFlagSet("test", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	config.BindFlags(flags)
	return flags
}

func defaults(flags *flag.FlagSet) map[string]string {
	found := map[string]string{}
	flags.VisitAll(func(f *flag.Flag) { found[f.Name] = f.DefValue })
	return found
}

func TestFlagsHaveTheNamesAndDurationsOfKubernetesComponents(t *testing.T) {
	want := map[string]string{
		"leader-elect":                    "false",
		"leader-elect-lease-duration":     "15s",
		"leader-elect-renew-deadline":     "10s",
		"leader-elect-retry-period":       "2s",
		"leader-elect-resource-lock":      "leases",
		"leader-elect-resource-name":      "",
		"leader-elect-resource-namespace": "",
	}
	if got := defaults(newFlags(&Config{})); !maps.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestFlagsDefaultToTheConfigsValues(t *testing.T) {
	want := map[string]string{
		"leader-elect":                    "true",
		"leader-elect-lease-duration":     "1m0s",
		"leader-elect-renew-deadline":     "40s",
		"leader-elect-retry-period":       "5s",
		"leader-elect-resource-lock":      "leases",
		"leader-elect-resource-name":      "operator",
		"leader-elect-resource-namespace": "system",
	}
	config := Config{
		Enabled: true, LeaseName: "operator", LeaseNamespace: "system",
		LeaseDuration: time.Minute, RenewDeadline: 40 * time.Second, RetryPeriod: 5 * time.Second,
	}
	flags := newFlags(&config)
	if got := defaults(flags); !maps.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	bound := config
	if err := flags.Parse(nil); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(config, bound) {
		t.Errorf("no flag at all has changed the config to %+v", config)
	}
}

func TestFlagsAreParsedIntoTheConfig(t *testing.T) {
	config := Config{Identity: "me", ReleaseOnCancel: true, DrainTimeout: time.Minute}
	err := newFlags(&config).Parse(strings.Fields(`--leader-elect --leader-elect-resource-lock=leases
		--leader-elect-lease-duration=30s --leader-elect-renew-deadline=20s --leader-elect-retry-period=3s
		--leader-elect-resource-name=operator --leader-elect-resource-namespace=system`))
	if err != nil {
		t.Fatal(err)
	}
	want := Config{
		Enabled: true, Identity: "me", LeaseName: "operator", LeaseNamespace: "system",
		LeaseDuration: 30 * time.Second, RenewDeadline: 20 * time.Second, RetryPeriod: 3 * time.Second,
		ReleaseOnCancel: true, DrainTimeout: time.Minute,
	}
	if !reflect.DeepEqual(config, want) {
		t.Errorf("got  %+v\nwant %+v", config, want)
	}
	if err := config.Validate(); err != nil {
		t.Error(err)
	}
}

func TestFlagsThatCannotBeHonouredAreRefused(t *testing.T) {
	for arg, want := range map[string]string{
		"--leader-elect-lease-duration=15":                 "missing unit",
		"--leader-elect-lease-duration=0s":                 "must be at least 10ms; leave the flag out for its default",
		"--leader-elect-renew-deadline=0":                  "must be at least 10ms",
		"--leader-elect-retry-period=2ns":                  "must be at least 10ms",
		"--leader-elect-retry-period=-2s":                  "must be at least 10ms",
		"--leader-elect-resource-lock=endpointsleases":     `only "leases" is supported`,
		"--leader-elect-resource-lock=configmapsleases":    `only "leases" is supported`,
		"--leader-elect-resource-lock=":                    `only "leases" is supported`,
		"--leader-elect-resource-lock=multi.coordination.": `only "leases" is supported`,
	} {
		var config Config
		err := newFlags(&config).Parse([]string{arg})
		name, _, _ := strings.Cut(strings.TrimPrefix(arg, "--"), "=")
		if err == nil || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", arg, err, want)
		}
		if config.LeaseDuration != DefaultLeaseDuration || config.RetryPeriod != DefaultRetryPeriod {
			t.Errorf("%s has changed the config to %+v", arg, config)
		}
	}
}

func TestTheHelpShowsTheDefaults(t *testing.T) {
	var help strings.Builder
	flags := newFlags(&Config{})
	flags.SetOutput(&help)
	flags.PrintDefaults()
	for _, want := range []string{
		"-leader-elect-lease-duration duration\n", "(default 15s)", "(default 10s)", "(default 2s)", "(default leases)",
	} {
		if !strings.Contains(help.String(), want) {
			t.Errorf("%q is missing", want)
		}
	}
	if t.Failed() {
		t.Log(help.String())
	}
}
