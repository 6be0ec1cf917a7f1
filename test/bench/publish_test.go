// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPublishedAreTheTablesAndAChartOfEverythingThatCanBeDrawn(t *testing.T) {
	r := &report{Measurements: []measured{
		{Name: "ends", Title: "Ends", Results: []result{
			{Name: "end", Unit: seconds, Series: []series{{ours, []sample{0.002, 0.004, 0.003}}, {clientGo, []sample{2, 3, never}}}},
			{Name: "asked", Unit: yes, Series: []series{{ours, []sample{0, 1, 1}}}},
			{Name: "once", Unit: bytesEach, Series: []series{{ours, []sample{7}}}},
		}},
		{Name: "more", Title: "More", Results: []result{
			{Name: "growth-1", Family: "growth", X: 1, Unit: seconds, Series: []series{{ours, []sample{0.01}}, {clientGo, []sample{1}}}},
			{Name: "growth-100", Family: "growth", X: 100, Unit: seconds, Series: []series{{ours, []sample{0.02}}, {clientGo, []sample{never}}}},
		}},
	}}
	dir := t.TempDir()
	file := filepath.Join(dir, "samples.json")
	stale := filepath.Join(dir, "charts", "gone.svg")
	if err := errors.Join(r.save(file), os.MkdirAll(filepath.Dir(stale), 0o700), os.WriteFile(stale, nil, 0o600), publish(file, dir)); err != nil {
		t.Fatal(err)
	}
	text := read(t, filepath.Join(dir, "RESULTS.md"))
	for _, want := range []string{"| end | elector | 3 | 3 ms | 4 ms | 4 ms |  |", "![ends-1.svg](charts/ends-1.svg)", "![growth.svg](charts/growth.svg)"} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("RESULTS.md lacks %s in\n%s", want, text)
		}
	}
	for name, want := range map[string][]string{
		"ends-1.svg": {"end, elector: median 3 ms, p99 4 ms, maximum 4 ms", "end, client-go: median 3 s"},
		"growth.svg": {"elector, 1 Leases: 10 ms", "elector, 100 Leases: 20 ms", "client-go, 1 Leases: 1 s"},
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

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file) //nolint:gosec // the test's
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestScaleIsLogarithmicAndHoldsEverything(t *testing.T) {
	s, ok := scaleOf([]float64{0.004, 2, 0}, 100, 500)
	if !ok || s.low != 0.001 || s.high != 10 || len(s.ticks()) != 5 {
		t.Fatalf("%v %+v %v", ok, s, s.ticks())
	}
	for value, want := range map[float64]float64{0.001: 100, 0.1: 300, 10: 500, 0.00001: 100, 1000: 500} {
		if got := s.at(value); got < want-0.01 || got > want+0.01 {
			t.Errorf("%v is at %v, want %v", value, got, want)
		}
	}
	if _, ok := scaleOf([]float64{0, -1}, 0, 1); ok {
		t.Error("there is nothing to show, and yet a scale")
	}
}
