// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"math"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// The figures of a quick run mean nothing, so none is looked at. That there is one wherever there should be is what
// this test is about.
func TestQuickRunMeasuresEverythingAndShowsIt(t *testing.T) {
	file := filepath.Join(t.TempDir(), "made", "results.json")
	var table, progress bytes.Buffer
	err := run(t.Context(), []string{"-quick", "-o", file}, &table, &progress)
	t.Logf("%s", progress.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	r, err := loadReport(file)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Measurements) != len(measurements) {
		t.Fatalf("%d measurements, want %d", len(r.Measurements), len(measurements))
	}
	for _, m := range r.Measurements {
		if m.Error != "" || len(m.Results) == 0 {
			t.Errorf("%s: %d results, error %q", m.Name, len(m.Results), m.Error)
		}
		for _, result := range m.Results {
			checkResult(t, result)
			if !strings.Contains(table.String(), "| "+result.Name+" | "+ours+" |") {
				t.Errorf("%s is not in the table", result.Name)
			}
		}
	}
	for _, what := range []string{"kube-apiserver", "etcd", "k8s.io/client-go", "Go"} {
		if r.Versions[what] == "" {
			t.Errorf("no version of %s", what)
		}
	}
}

func checkResult(t *testing.T, r result) {
	t.Helper()
	if r.of(ours) == nil {
		t.Errorf("%s: no series of %s", r.Name, ours)
	}
	if r.of(clientGo) == nil && r.of(controllerRuntime) == nil {
		t.Errorf("%s: no series of a peer", r.Name)
	}
	for _, s := range r.Series {
		if len(s.Samples) == 0 || len(s.Samples) != len(r.Series[0].Samples) {
			t.Errorf("%s, %s: %d samples, %s has %d", r.Name, s.Subject, len(s.Samples), r.Series[0].Subject, len(r.Series[0].Samples))
		}
		if slices.ContainsFunc(s.Samples, func(x sample) bool { return math.IsNaN(float64(x)) }) {
			t.Errorf("%s, %s: a sample is no number", r.Name, s.Subject)
		}
		if r.Unit == seconds && r.Name != "overlap" && slices.Contains(s.Samples, 0) {
			t.Errorf("%s, %s: what takes no time was not measured", r.Name, s.Subject)
		}
	}
	for _, g := range r.Goals {
		if value, _ := g.verdict(r); math.IsNaN(float64(value)) && g.Versus == "" {
			t.Errorf("%s: goal %v is about nothing", r.Name, g)
		}
	}
}

func TestWrongArgumentsAreNamed(t *testing.T) {
	for arguments, want := range map[string]string{
		"-only handover,hanover": `"hanover" is none of handover, reconcile`,
		"-n -1":                  "-n -1",
		"-window -1s":            "-window -1s",
		"more":                   `"more"`,
	} {
		err := run(t.Context(), strings.Fields(arguments), &bytes.Buffer{}, &bytes.Buffer{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v does not name %s", arguments, err, want)
		}
	}
}

func TestSamplesAskedForAreTaken(t *testing.T) {
	for _, n := range []int{1, 7, 40, 200} {
		s := fullSizes.withSamples(n)
		for _, c := range s.handOver {
			if got := c.lanes * c.rounds; got < n || got >= n+c.lanes {
				t.Errorf("-n %d: %d hand-overs with %d standbys", n, got, c.standbys)
			}
		}
		if s.lanes != n {
			t.Errorf("-n %d: %d lanes", n, s.lanes)
		}
	}
	if got := fullSizes.withSamples(0); !reflect.DeepEqual(got, fullSizes) {
		t.Errorf("-n 0 changes the sizes to %+v", got)
	}
}
