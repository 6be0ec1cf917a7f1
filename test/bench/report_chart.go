// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
)

// Charts are drawn here because the libraries for that would add their fonts and renderers to the module that operators
// require.

const (
	chartWidth = 860.
	leftMargin = 300. // for what a bar is about
	rowHeight  = 20.
)

// colours tell the subjects apart, also in shades of grey.
var colours = map[string]string{
	ours: "#1f6feb", clientGo: "#d1820b", clientGoWatch: "#f0b95b",
	controllerRuntime: "#8f2d56", scaffolded: "#c97b9b", floor: "#57606a",
}

// scale maps values to pixels by their logarithms, since what is compared differs a hundredfold. Its bounds and ticks
// are powers of ten of the unit in which values are shown, which is KiB for bytes.
type scale struct{ low, high, from, to, unit float64 }

func (s scale) at(value float64) float64 {
	value = min(max(value/s.unit, s.low), s.high)
	return s.from + (s.to-s.from)*(math.Log10(value)-math.Log10(s.low))/(math.Log10(s.high)-math.Log10(s.low))
}

// ticks returns the powers of ten in the scale.
func (s scale) ticks() (all []float64) {
	for x := s.low; x <= s.high*1.001; x *= 10 {
		all = append(all, x*s.unit)
	}
	return all
}

// scaleOf has room for all the values that can be shown on it.
func scaleOf(values []float64, from, to, unit float64) (scale, bool) {
	values = slices.DeleteFunc(slices.Clone(values), func(v float64) bool { return v <= 0 || math.IsInf(v, 0) || math.IsNaN(v) })
	if len(values) == 0 {
		return scale{}, false
	}
	power := func(round func(float64) float64, value float64) float64 {
		return math.Pow(10, round(math.Log10(value/unit)))
	}
	s := scale{power(math.Floor, slices.Min(values)), power(math.Ceil, slices.Max(values)), from, to, unit}
	if s.low == s.high {
		s.high *= 10
	}
	return s, true
}

// barChart shows, for each subject of each result, the stretch from its median to its p99 and a dot at the maximum. The
// results have the same unit. It reports false if there is nothing to show.
func barChart(out io.Writer, title string, results []result) bool {
	var values []float64
	rows := 0
	for _, r := range results {
		for _, s := range r.Series {
			rows++
			values = append(values, float64(statistic("p50", s.Samples)), float64(statistic("max", s.Samples)))
		}
	}
	x, ok := scaleOf(values, leftMargin, chartWidth-40, results[0].shownIn())
	if !ok {
		return false
	}
	height := 74 + rowHeight*float64(rows) + 10*float64(len(results))
	svgHead(out, title+": median (line's beginning) to p99 (its end), maximum (dot)", height)
	y := 54.
	for _, tick := range x.ticks() {
		fmt.Fprintf(out, `<line x1="%.1f" x2="%.1f" y1="44" y2="%.1f" stroke="#d0d7de"/><text x="%.1f" y="40" text-anchor="middle">%s</text>`+"\n",
			x.at(tick), x.at(tick), height-12, x.at(tick), results[0].show(sample(tick)))
	}
	for _, r := range results {
		for _, s := range r.Series {
			p50, p99, most := statistic("p50", s.Samples), statistic("p99", s.Samples), statistic("max", s.Samples)
			colour := colours[s.Subject]
			fmt.Fprintf(out, `<g><title>%s, %s: median %s, p99 %s, maximum %s</title><text x="%.1f" y="%.1f" text-anchor="end">%s: %s</text>`,
				escape(r.Name), escape(s.Subject), r.show(p50), r.show(p99), r.show(most), leftMargin-8, y+4, escape(r.Name), escape(s.Subject))
			if most > 0 && p50 != never {
				fmt.Fprintf(out, `<line x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f" stroke="%s" stroke-width="8"/><circle cx="%.1f" cy="%.1f" r="4" fill="%s"/>`,
					x.at(float64(p50)), max(x.at(float64(p99)), x.at(float64(p50))+2), y, y, colour, x.at(float64(most)), y, colour)
			} else {
				fmt.Fprintf(out, `<text x="%.1f" y="%.1f" fill="%s">%s</text>`, leftMargin+4, y+4, colour, escape(r.show(p50)))
			}
			fmt.Fprintln(out, "</g>")
			y += rowHeight
		}
		y += 10
	}
	fmt.Fprintln(out, "</svg>")
	return true
}

func svgHead(out io.Writer, title string, height float64) {
	fmt.Fprintf(out, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %.0f" font-family="sans-serif" font-size="12" fill="#24292f">
<rect width="100%%" height="100%%" fill="#ffffff"/>
<text x="12" y="20" font-size="14" font-weight="bold">%s</text>
`, chartWidth, height, escape(title))
}

func escape(text string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(text)
}
