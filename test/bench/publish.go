// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// publish writes RESULTS.md and its charts into dir, all from a file of samples.
func publish(file, dir string) error {
	r, err := loadReport(file)
	if err != nil {
		return err
	}
	charts := filepath.Join(dir, "charts")
	if err := os.RemoveAll(charts); err != nil { // Those of measurements that are gone would stay.
		return err
	}
	if err := os.MkdirAll(charts, 0o755); err != nil { //nolint:gosec // Anyone may read it.
		return err
	}
	var text strings.Builder
	text.WriteString("<!--\nSPDX-FileCopyrightText: The elector Authors\nSPDX-License-Identifier: Apache-2.0\n-->\n\n" +
		"# Results\n\nMade by `make bench-report` from what `make bench` has written. Each table is of one run, in which all of its\n" +
		"subjects were measured; a table made again later says so.\n\n")
	writeCircumstances(&text, r)
	writeGoals(&text, r)
	for _, m := range r.Measurements {
		writeMeasured(&text, m)
		for _, c := range chartsOf(m) {
			if err := os.WriteFile(filepath.Join(charts, c.name), c.svg, 0o644); err != nil { //nolint:gosec // Anyone may read it.
				return err
			}
			fmt.Fprintf(&text, "\n![%s](charts/%s)\n", c.name, c.name)
		}
	}
	return os.WriteFile(filepath.Join(dir, "RESULTS.md"), []byte(text.String()), 0o644) //nolint:gosec // Anyone may read it.
}

type picture struct {
	name string
	svg  []byte
}

// chartsOf draws a curve for each family, and bars for what else was sampled often enough, unit by unit.
func chartsOf(m measured) (pictures []picture) {
	bars, families := map[unit][]result{}, map[string][]result{}
	var units []unit
	var names []string
	for _, r := range m.Results {
		switch {
		case r.Family != "":
			if !slices.Contains(names, r.Family) {
				names = append(names, r.Family)
			}
			families[r.Family] = append(families[r.Family], r)
		case r.Unit != yes && r.Rates == nil && len(r.of(ours)) > 2:
			if !slices.Contains(units, r.Unit) {
				units = append(units, r.Unit)
			}
			bars[r.Unit] = append(bars[r.Unit], r)
		}
	}
	for i, u := range units {
		var svg bytes.Buffer
		if barChart(&svg, m.Title, bars[u]) {
			pictures = append(pictures, picture{fmt.Sprintf("%s-%d.svg", m.Name, i+1), svg.Bytes()})
		}
	}
	for _, name := range names {
		var svg bytes.Buffer
		if curveChart(&svg, families[name]) {
			pictures = append(pictures, picture{name + ".svg", svg.Bytes()})
		}
	}
	return pictures
}
