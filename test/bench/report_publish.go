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

// publish writes RESULTS.md and its charts into dir, from a file of samples.
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
		"# Results\n\n`make bench-report` wrote this from the results of `make bench`. Each table is of one run, in which all of its subjects\n" +
		"were measured. A table that was measured again later says so.\n\n")
	writeCircumstances(&text, r)
	writeGoals(&text, r)
	for _, m := range r.Measurements {
		writeMeasured(&text, m)
		if svg := chartOf(m); svg != nil {
			name := m.Name + ".svg"
			if err := os.WriteFile(filepath.Join(charts, name), svg, 0o644); err != nil { //nolint:gosec // Anyone may read it.
				return err
			}
			fmt.Fprintf(&text, "\n![%s](charts/%s)\n", name, name)
		}
	}
	return os.WriteFile(filepath.Join(dir, "RESULTS.md"), []byte(text.String()), 0o644) //nolint:gosec // Anyone may read it.
}

// chartOf draws the results of a measurement that has a chart. They are those of seconds or, without any, of requests a
// minute.
func chartOf(m measured) []byte {
	if i := slices.IndexFunc(measurements, func(of measurement) bool { return of.name == m.Name }); i < 0 || !measurements[i].chart {
		return nil
	}
	for _, u := range []unit{seconds, perMinute} {
		drawn := slices.DeleteFunc(slices.Clone(m.Results), func(r result) bool { return r.Unit != u })
		var svg bytes.Buffer
		if len(drawn) > 0 && barChart(&svg, m.Title, drawn) {
			return svg.Bytes()
		}
	}
	return nil
}
