// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPublishedAreTheTablesAndTheChartsThatCarryAClaim(t *testing.T) {
	r := &report{Measurements: []measured{
		{Name: "cutoff", Title: "Ends", Results: []result{
			{Name: "end", Unit: seconds, Series: []series{{ours, []sample{0.002, 0.004, 0.003}}, {clientGo, []sample{2, 3, never}}}},
			{Name: "none", Unit: seconds, Series: []series{{ours, []sample{0, 0, 0}}, {clientGo, []sample{1, 1, 1}}}},
			{Name: "once", Unit: bytesEach, Series: []series{{ours, []sample{7}}}},
		}},
	}}
	dir := t.TempDir()
	file := filepath.Join(dir, "samples.json")
	stale := filepath.Join(dir, "charts", "gone.svg")
	if err := errors.Join(r.save(file), os.MkdirAll(filepath.Dir(stale), 0o700), os.WriteFile(stale, nil, 0o600), publish(file, dir)); err != nil {
		t.Fatal(err)
	}
	text := read(t, filepath.Join(dir, "RESULTS.md"))
	for _, want := range []string{
		"| end | elector | 3 | 3 ms | 4 ms | 4 ms |  |", "![cutoff.svg](charts/cutoff.svg)",
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("RESULTS.md lacks %s in\n%s", want, text)
		}
	}
	for name, want := range map[string][]string{
		"cutoff.svg": {"end, elector: median 3 ms, p99 4 ms, maximum 4 ms", "end, client-go: median 3 s", ">0 ms</text>"},
	} {
		svg := read(t, filepath.Join(dir, "charts", name))
		for _, w := range want {
			if !strings.Contains(svg, w) {
				t.Errorf("%s lacks %q", name, w)
			}
		}
		for d := xml.NewDecoder(strings.NewReader(svg)); ; {
			if _, err := d.Token(); err == io.EOF {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
	}
	if _, err := os.Stat(stale); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a chart of another run is still there: %v", err)
	}
}

func TestWhatIsMeasuredAgainReplacesOnlyItself(t *testing.T) {
	file := filepath.Join(t.TempDir(), "samples.json")
	of := func(elector string, took float64, names ...string) *report {
		r := &report{Versions: map[string]string{ours: elector, clientGo: "1"}}
		for _, name := range names {
			r.Measurements = append(r.Measurements, measured{Name: name, Results: []result{{Name: name, Series: []series{{ours, []sample{sample(took)}}}}}})
		}
		return r
	}
	first := of("a", 1, "handover", "idle")
	if err := errors.Join(first.join(file), first.save(file)); err != nil {
		t.Fatal(err)
	}
	again := of("b", 2, "requests", "handover", "idle")
	again.Measurements[1].Error = "interrupted"
	if err := again.join(file); err != nil {
		t.Fatal(err)
	}
	got := ""
	for _, m := range again.Measurements {
		got += fmt.Sprint(m.Name, m.Elector, m.Results[0].of(ours)[0], " ")
	}
	if want := "handover1 requestsb2 idleb2 "; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if again.Versions[ours] != "a" {
		t.Errorf("the version of those measured before is lost: %v", again.Versions)
	}
	for what, change := range map[string]func(*report){
		"machine":         func(r *report) { r.Machine.Cores = 64 },
		"durations":       func(r *report) { r.Timing.RetryPeriod = 1 },
		"a version":       func(r *report) { r.Versions[clientGo] = "2" },
		"another version": func(r *report) { r.Versions["etcd"] = "3" },
	} {
		other := of("b", 2, "idle")
		change(other)
		if err := other.join(file); err == nil || len(other.Measurements) != 1 {
			t.Errorf("another %s: error %v, %d measurements", what, err, len(other.Measurements))
		}
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file) //nolint:gosec // the test's
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestScaleIsLogarithmicAndHoldsEverything(t *testing.T) {
	s, ok := scaleOf([]float64{0.004, 2, 0}, 100, 500, 1)
	if !ok || s.low != 0.001 || s.high != 10 || len(s.ticks()) != 5 {
		t.Fatalf("%v %+v %v", ok, s, s.ticks())
	}
	for value, want := range map[float64]float64{0.001: 100, 0.1: 300, 10: 500, 0.00001: 100, 1000: 500} {
		if got := s.at(value); got < want-0.01 || got > want+0.01 {
			t.Errorf("%v is at %v, want %v", value, got, want)
		}
	}
	if s, _ := scaleOf([]float64{2048, 512}, 0, 100, 1024); s.low != 0.1 || s.high != 10 || math.Abs(s.at(1024)-50) > 0.01 || math.Abs(s.ticks()[0]-102.4) > 0.01 {
		t.Errorf("in KiB: %+v %v", s, s.ticks())
	}
	if _, ok := scaleOf([]float64{0, -1}, 0, 1, 1); ok {
		t.Error("there is nothing to show, and yet a scale")
	}
}
