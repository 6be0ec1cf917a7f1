// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"errors"
	"log/slog"
	"maps"
	"math"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/kubernetes"

	"github.com/kube-elector/elector/elector/leasetest"
)

// faultsOf returns the errors that were joined into err.
func faultsOf(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return nil
}

func TestGuarantee11EachRuleIsNamedWithItsFieldAndValue(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Config)
		want   string
		beside int // other rules that cannot but be broken too
	}{
		"LeaseDuration of broken seconds": {func(c *Config) { c.LeaseDuration = 15500 * time.Millisecond },
			"LeaseDuration: 15.5s: must be whole seconds", 0},
		"LeaseDuration too long": {func(c *Config) { c.LeaseDuration = MaxLeaseDuration + time.Second },
			"LeaseDuration: 10m1s: must be between 1s and 10m0s", 0},
		"LeaseDuration negative": {func(c *Config) { c.LeaseDuration = -5 * time.Second },
			"LeaseDuration: -5s: must be between 1s and 10m0s", 1},
		"LeaseDuration not above RenewDeadline": {func(c *Config) { c.LeaseDuration = 10 * time.Second },
			"LeaseDuration: 10s: must be greater than RenewDeadline (10s)", 0},
		"RenewDeadline negative": {func(c *Config) { c.RenewDeadline = -time.Second },
			"RenewDeadline: -1s: must be positive", 1},
		"RenewDeadline not above RetryPeriod and its jitter": {func(c *Config) { c.RenewDeadline = 2400 * time.Millisecond },
			"RenewDeadline: 2.4s: must be greater than RetryPeriod (2s) times 1.2", 0},
		"RetryPeriod negative": {func(c *Config) { c.RetryPeriod = -2 * time.Second },
			"RetryPeriod: -2s: must be positive", 0},
		"RetryPeriod the largest there is": {func(c *Config) { c.RetryPeriod = math.MaxInt64 },
			"must be greater than RetryPeriod (2562047h47m16.854775807s) times 1.2", 0},
		"DrainTimeout negative": {func(c *Config) { c.DrainTimeout = -time.Second },
			"DrainTimeout: -1s: must not be negative", 0},
		"LeaseDuration in bare seconds": {func(c *Config) { c.LeaseDuration = 15 },
			"LeaseDuration: 15ns: must be at least 10ms; a number without a unit counts nanoseconds: did you mean 15s?", 0},
		"RenewDeadline in bare seconds": {func(c *Config) { c.RenewDeadline = 10 },
			"RenewDeadline: 10ns: must be at least 10ms; a number without a unit counts nanoseconds: did you mean 10s?", 0},
		"RetryPeriod in bare seconds": {func(c *Config) { c.RetryPeriod = 2 },
			"RetryPeriod: 2ns: must be at least 10ms; a number without a unit counts nanoseconds: did you mean 2s?", 0},
		"RetryPeriod in bare milliseconds": {func(c *Config) { c.RetryPeriod = 1500 },
			"RetryPeriod: 1.5µs: must be at least 10ms; a number without a unit counts nanoseconds: did you mean 1.5s?", 0},
		"RetryPeriod too short": {func(c *Config) { c.RetryPeriod = MinDuration - 1 },
			"RetryPeriod: 9.999999ms: must be at least 10ms", 0},
		"DrainTimeout in bare seconds": {func(c *Config) { c.DrainTimeout = 30 },
			"DrainTimeout: 30ns: must be at least 10ms; a number without a unit counts nanoseconds: did you mean 30s?", 0},
		"bare seconds throughout": {func(c *Config) { c.LeaseDuration, c.RenewDeadline, c.RetryPeriod = 15, 10, 2 },
			"RetryPeriod: 2ns", 2},
		"EventRecorder a nil pointer": {func(c *Config) { c.EventRecorder = (*recorder)(nil) },
			"EventRecorder: *elector.recorder: must not be a nil pointer", 0},
		"LeaseName empty": {func(c *Config) { c.LeaseName = "" },
			`LeaseName: "": is required`, 0},
		"LeaseName no DNS name": {func(c *Config) { c.LeaseName = "My_Lease" },
			`LeaseName: "My_Lease": a lowercase RFC 1123 subdomain must consist of`, 0},
		"LeaseNamespace no DNS label": {func(c *Config) { c.LeaseNamespace = "a.b" },
			`LeaseNamespace: "a.b": must not contain dots`, 0},
		"Identity begins with a space": {func(c *Config) { c.Identity = " me" },
			`Identity: " me": must be at most 512 bytes without leading or trailing space`, 0},
		"Identity ends with a newline": {func(c *Config) { c.Identity = "me\n" },
			`Identity: "me\n": must be at most 512 bytes without leading or trailing space`, 0},
		"Identity too long": {func(c *Config) { c.Identity = strings.Repeat("m", maxIdentity+1) },
			`mmm…": must be at most 512 bytes`, 0},
		"Labels with a bad key": {func(c *Config) { c.Labels = map[string]string{"a b": "c"} },
			`Labels: Invalid value: "a b": name part must consist of`, 0},
		"Labels with a bad value": {func(c *Config) { c.Labels = map[string]string{"a": "b c"} },
			`Labels: Invalid value: "b c": a valid label must be`, 0},
	} {
		t.Run(name, func(t *testing.T) {
			config := testConfig("me")
			c.change(&config)
			err := config.Validate()
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got  %v\nwant %q", err, c.want)
			}
			if n := len(faultsOf(err)); n != 1+c.beside {
				t.Errorf("%d faults, want %d:\n%v", n, 1+c.beside, err)
			}
			if _, err := New(&config, leasetest.NewServer().Client("me"), Callbacks{}, nil); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("New returned %v", err)
			}
		})
	}
}

func TestGuarantee11TheBordersAreAllowed(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"zero durations":         func(*Config) {},
		"LeaseDuration shortest": func(c *Config) { c.LeaseDuration, c.RenewDeadline, c.RetryPeriod = 1e9, 1e9-1, 1e8 },
		"LeaseDuration longest":  func(c *Config) { c.LeaseDuration = MaxLeaseDuration },
		"RenewDeadline least":    func(c *Config) { c.RenewDeadline = 2400*time.Millisecond + 1 },
		"RetryPeriod least":      func(c *Config) { c.RetryPeriod = MinDuration },
		"DrainTimeout least":     func(c *Config) { c.DrainTimeout = MinDuration },
		"DrainTimeout longest":   func(c *Config) { c.DrainTimeout = math.MaxInt64 },
		"Identity longest":       func(c *Config) { c.Identity = strings.Repeat("m", maxIdentity) },
		"Identity inner space":   func(c *Config) { c.Identity = "you and me" },
		"LeaseName with a dot":   func(c *Config) { c.LeaseName = "operator.example.com" },
		"no names, not Enabled": func(c *Config) {
			*c = Config{Identity: c.Identity}
		},
	} {
		t.Run(name, func(t *testing.T) {
			config := testConfig("me")
			change(&config)
			if err := config.Validate(); err != nil {
				t.Error(err)
			}
			if _, err := New(&config, leasetest.NewServer().Client("me"), Callbacks{}, nil); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestGuarantee11AllFaultsAreReportedInOneError(t *testing.T) {
	config := Config{
		Enabled: true, Identity: " ", LeaseName: "A", LeaseNamespace: "B", Labels: map[string]string{"a b": ""},
		LeaseDuration: 1500 * time.Millisecond, RenewDeadline: 3 * time.Second, RetryPeriod: 4 * time.Second, DrainTimeout: -1,
	}
	_, err := New(&config, nil, Callbacks{}, nil)
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		"LeaseDuration: 1.5s: must be whole", "LeaseDuration: 1.5s: must be greater", "RenewDeadline: 3s: must be greater",
		"DrainTimeout: -1ns", "LeaseName: ", "LeaseNamespace: ", "Identity: ", "Labels: ", "clientset: must not be nil",
	} {
		if n := strings.Count(err.Error(), want); n != 1 {
			t.Errorf("%q is said %d times", want, n)
		}
	}
	if t.Failed() {
		t.Log(err)
	}
}

func TestNewRefusesNoConfig(t *testing.T) {
	if _, err := New(nil, nil, Callbacks{}, nil); err == nil || !strings.Contains(err.Error(), "config: must not be nil") {
		t.Error(err)
	}
}

func TestANilPointerIsNoClientset(t *testing.T) {
	config := testConfig("me")
	for name, clientset := range map[string]kubernetes.Interface{
		"leasetest": (*leasetest.Client)(nil), "client-go": (*kubernetes.Clientset)(nil),
	} {
		if _, err := New(&config, clientset, Callbacks{}, nil); err == nil || !strings.Contains(err.Error(), "clientset: must not be nil") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestAForgottenEnabledIsWarnedOf(t *testing.T) {
	client := leasetest.NewServer().Client("me")
	for name, c := range map[string]struct {
		config    Config
		clientset kubernetes.Interface
		warnings  int
	}{
		"a LeaseName":                {Config{LeaseName: testLease}, nil, 1},
		"a clientset":                {Config{}, client, 1},
		"both":                       {Config{LeaseName: testLease}, client, 1},
		"neither":                    {Config{}, nil, 0},
		"a nil pointer as clientset": {Config{}, (*leasetest.Client)(nil), 0},
		"Enabled":                    {testConfig("me"), client, 0},
	} {
		log := &memoryLog{}
		if _, err := New(&c.config, c.clientset, Callbacks{}, slog.New(slog.NewJSONHandler(log, nil))); err != nil {
			t.Fatal(err)
		}
		warned := from(slog.LevelWarn, log.lines(t))
		if len(warned) != c.warnings || len(warned) > 0 && !strings.Contains(warned[0].Msg, "Enabled is false") {
			t.Errorf("%s: warned %+v, want %d lines that name the field", name, warned, c.warnings)
		}
		want := c.config.LeaseName
		if c.config.Enabled {
			want = testNamespace + "/" + testLease
		}
		for _, l := range warned {
			if l.Lease != want {
				t.Errorf("%s: the line says the Lease is %q, want %q", name, l.Lease, want)
			}
		}
	}
}

func TestANotEnabledElectorNeedsNoClientset(t *testing.T) {
	if _, err := New(&Config{}, nil, Callbacks{}, nil); err != nil {
		t.Error(err)
	}
}

func TestTheDefaultsAreKubernetesOwn(t *testing.T) {
	config := testConfig("me")
	e, err := New(&config, leasetest.NewServer().Client("me"), Callbacks{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := config
	want.LeaseDuration, want.RenewDeadline, want.RetryPeriod = 15*time.Second, 10*time.Second, 2*time.Second
	want.DrainTimeout = 30 * time.Second
	if !reflect.DeepEqual(e.config, want) {
		t.Errorf("got  %+v\nwant %+v", e.config, want)
	}
}

func TestTheDefaultIdentityIsUniqueAndTellsWhose(t *testing.T) {
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for pod, want := range map[string]string{"pod-7": "pod-7", "": host} {
		t.Setenv("POD_NAME", pod)
		const uuid = "_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
		pattern := regexp.MustCompile("^" + regexp.QuoteMeta(want) + uuid + "$")
		seen := map[string]bool{}
		for range 2 {
			config := testConfig("")
			e, err := New(&config, leasetest.NewServer().Client("me"), Callbacks{}, nil)
			if err != nil {
				t.Fatal(err)
			}
			if id := e.config.Identity; !pattern.MatchString(id) || seen[id] {
				t.Errorf("POD_NAME %q: identity %q, used before: %t", pod, id, seen[id])
			}
			seen[e.config.Identity] = true
		}
	}
}

func TestTheDefaultNamespaceIsThePodsOrElseAnErrorNamesTheField(t *testing.T) {
	config := testConfig("me")
	config.LeaseNamespace = ""
	e, err := New(&config, leasetest.NewServer().Client("me"), Callbacks{}, nil)
	// These tests may themselves run in a pod.
	if pods, notInAPod := os.ReadFile(inClusterNamespaceFile); notInAPod == nil {
		if err != nil || e.config.LeaseNamespace != strings.TrimSpace(string(pods)) {
			t.Errorf("namespace %q, %v", e.config.LeaseNamespace, err)
		}
		return
	}
	if err == nil || !strings.Contains(err.Error(), "LeaseNamespace: required outside a cluster") || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

func TestNewNeitherChangesNorKeepsTheCallersConfig(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		labels := map[string]string{"team": "one"}
		config := Config{Enabled: true, LeaseName: testLease, LeaseNamespace: testNamespace, Labels: labels}
		before := config
		before.Labels = maps.Clone(labels)
		e, err := New(&config, w.server.Client("a"), Callbacks{}, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(config, before) {
			t.Errorf("New has changed the config to %+v", config)
		}
		if err := config.Validate(); err != nil || !reflect.DeepEqual(config, before) {
			t.Errorf("Validate has changed the config to %+v, %v", config, err)
		}
		config.LeaseName, config.LeaseDuration = "another", time.Hour
		labels["team"] = "two"
		(&candidate{Elector: e, w: w, id: "a", done: make(chan error, 1)}).start().leads(time.Second)
		if l := w.lease(); l == nil || *l.Spec.LeaseDurationSeconds != 15 || l.Labels["team"] != "one" {
			t.Errorf("a change of the config after New has had an effect: %v", l)
		}
	})
}
