// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"flag"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestBadFlagsAreRefusedByNameValueAndRule(t *testing.T) {
	nowhere := filepath.Join(t.TempDir(), "nowhere")
	for _, test := range []struct {
		args string
		want []string // of the error
	}{
		{"--replicas=1", []string{"--replicas: 1: must be between 2 and 9"}},
		{"--replicas=1000000", []string{"--replicas: 1000000: must be"}},
		{"--replicas=three", []string{"three"}},
		{"--objects=0", []string{"--objects: 0: must be between 1 and 1000"}},
		{"--objects=-1 --replicas=0", []string{"--objects: -1", "--replicas: 0"}},
		{"--lease-duration=1ns", []string{"LeaseDuration: 1ns: must be"}},
		{"--lease-duration=0s", []string{"--lease-duration: 0s: must be positive"}},
		{"--lease-duration=1000h", []string{"LeaseDuration: 1000h0m0s: must be"}},
		{"--lease-duration=-15s", []string{"--lease-duration: -15s: must be positive"}},
		{"--lease-duration=2500ms", []string{"LeaseDuration: 2.5s: must be whole seconds"}},
		{"--lease-duration=15", []string{"15", "lease-duration"}},
		{"--renew-deadline=15s", []string{"LeaseDuration: 15s: must be greater than RenewDeadline"}},
		{"--retry-period=10s", []string{"RenewDeadline: 10s: must be greater than RetryPeriod"}},
		{"--retry-period=0s", []string{"--retry-period: 0s: must be positive"}},
		{"--pause=-1s", []string{"--pause: -1s: must be"}},
		{"--pause=1000h", []string{"--pause: 1000h0m0s: must be"}},
		{"--metrics-port=65535", []string{"--metrics-port: 65535: must be between 1 and 65533"}},
		{"--metrics-port=-1", []string{"--metrics-port: -1: must be"}},
		{"--kubeconfig=" + nowhere, []string{"--kubeconfig", nowhere, "no such file"}},
		{"leader", []string{`unexpected argument "leader"`}},
		{"--no-such-flag", []string{"no-such-flag"}},
	} {
		t.Run(test.args, func(t *testing.T) {
			_, err := parseOptions(strings.Fields(test.args), io.Discard)
			if err == nil {
				t.Fatal("it was accepted")
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error is\n%v\nand does not say %q", err, want)
				}
			}
		})
	}
}

func TestFlagsHaveGoodDefaults(t *testing.T) {
	o, err := parseOptions(nil, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if o.replicas != 3 || o.leaseDuration != 15*time.Second || !filepath.IsAbs(o.out) {
		t.Errorf("the defaults are %+v", o)
	}
}

func TestHelpNamesTheFlags(t *testing.T) {
	var help bytes.Buffer
	if _, err := parseOptions([]string{"--help"}, &help); !errors.Is(err, flag.ErrHelp) {
		t.Fatalf("got %v, want ErrHelp", err)
	}
	for _, want := range []string{"-replicas", "-lease-duration", "-renew-deadline", "-retry-period", "-objects", "-shards", "-kubeconfig", "-out"} {
		if !strings.Contains(help.String(), want) {
			t.Errorf("the help does not have %s:\n%s", want, help.String())
		}
	}
}
