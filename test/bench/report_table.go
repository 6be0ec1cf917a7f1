// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// writeTables shows a report as Markdown.
func writeTables(out io.Writer, r *report) error {
	var text strings.Builder
	writeCircumstances(&text, r)
	writeGoals(&text, r)
	for _, m := range r.Measurements {
		writeMeasured(&text, m)
	}
	_, err := io.WriteString(out, text.String())
	return err
}

func writeCircumstances(out io.Writer, r *report) {
	m := r.Machine
	fmt.Fprintf(out, "%s UTC, on %d cores of %s, %s, %s\n\n", r.Started.UTC().Format(time.DateTime), m.Cores, m.CPU, m.Memory, m.OS)
	for _, name := range slices.Sorted(maps.Keys(r.Versions)) {
		fmt.Fprintf(out, "- %s %s\n", name, r.Versions[name])
	}
	fmt.Fprintf(out, "\nLeaseDuration %v, RenewDeadline %v, RetryPeriod %v.\n", r.Timing.LeaseDuration, r.Timing.RenewDeadline, r.Timing.RetryPeriod)
	fmt.Fprint(out, "Percentiles are nearest-rank. The p99 of fewer than 100 samples is their maximum.\n"+
		"Ratios are taken pair by pair, of samples measured side by side. The table has their median, least and greatest.\n")
}

func writeGoals(out io.Writer, r *report) {
	fmt.Fprintf(out, "\n## Goals of %s\n\n| quantity | statistic | bound | found | |\n| --- | --- | --: | --: | --- |\n", ours)
	for _, m := range r.Measurements {
		for _, result := range m.Results {
			for _, g := range result.Goals {
				fmt.Fprintf(out, "| %s | %s |\n", result.Name, strings.Join(g.cells(result), " | "))
			}
		}
	}
}

// cells say what is demanded and what was found.
func (g goal) cells(r result) []string {
	value, met := g.verdict(r)
	what, show, verdict := g.Stat, r.show, "met"
	if g.Versus != "" {
		what, show = fmt.Sprintf("%s ÷ that of %s", g.Stat, g.Versus), figures
	}
	if !met {
		verdict = "**missed**"
	}
	return []string{what, "≤ " + show(sample(g.Value)), show(value), verdict}
}

func writeMeasured(out io.Writer, m measured) {
	fmt.Fprintf(out, "\n## %s\n\nBegan %s UTC, took %v; load average %s before, %s after.", m.Title, m.Started.UTC().Format(time.DateTime), m.Took, m.Load[0], m.Load[1])
	if m.Elector != "" {
		fmt.Fprintf(out, " With %s %s.", ours, m.Elector)
	}
	fmt.Fprint(out, "\n\n")
	if m.Error != "" {
		fmt.Fprintf(out, "Failed: %s\n\n", m.Error)
	}
	fmt.Fprintf(out, "| quantity | of | n | median | p99 | max | ÷ %s |\n| --- | --- | --: | --: | --: | --: | --: |\n", ours)
	for _, r := range m.Results {
		for _, s := range r.Series {
			fmt.Fprintf(out, "| %s | %s | %d | %s |\n", r.Name, s.Subject, len(s.Samples), strings.Join(r.cells(s), " | "))
		}
	}
	fmt.Fprintln(out)
	for _, r := range m.Results {
		fmt.Fprintf(out, "- %s: %s\n", r.Name, r.What)
	}
	writeRates(out, m.Results)
}

// cells returns median, p99, maximum and ratio.
func (r result) cells(s series) []string {
	cells := []string{}
	for _, stat := range []string{"p50", "p99", "max"} {
		cells = append(cells, r.show(statistic(stat, s.Samples)))
	}
	if n := count(s.Samples, never); n > 0 {
		cells[2] += fmt.Sprintf(" (%d×)", n)
	}
	ratio := ""
	if pairs := ratios(s.Samples, r.of(ours)); s.Subject != ours && len(pairs) > 0 {
		ratio = fmt.Sprintf("%s (%s … %s)", figures(statistic("p50", pairs)), figures(statistic("min", pairs)), figures(statistic("max", pairs)))
	}
	return append(cells, ratio)
}

func count(samples []sample, value sample) int {
	n := 0
	for _, s := range samples {
		if s == value {
			n++
		}
	}
	return n
}

// show returns a value in its unit.
func (r result) show(s sample) string {
	switch {
	case s == never:
		return fmt.Sprintf("> %v", r.Waited)
	case math.IsNaN(float64(s)):
		return figures(s)
	}
	switch r.Unit {
	case seconds:
		if math.Abs(float64(s)) < 1 {
			return figures(s*1000) + " ms"
		}
		return figures(s) + " s"
	case bytesEach:
		return figures(s/sample(r.shownIn())) + " Ki" + string(r.Unit)
	case perMinute:
		return figures(s) + " " + string(r.Unit)
	}
	return figures(s)
}

// shownIn returns what values are divided by before they are shown.
func (r result) shownIn() float64 {
	if r.Unit == bytesEach {
		return 1024
	}
	return 1
}

// figures rounds to four, which is more than two runs have in common, but tells what misses a bound by little.
func figures(s sample) string {
	switch x := float64(s); {
	case math.IsInf(x, 1):
		return "∞"
	case math.IsNaN(x):
		return "–"
	case math.Abs(x) >= 1000:
		return strconv.FormatFloat(x, 'f', 0, 64)
	default:
		return strconv.FormatFloat(x, 'g', 4, 64)
	}
}
