// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

const (
	barWidth    = 15
	barMinWidth = 4
	wideGap     = 3 // between two columns
	leftWidth   = 6 // of "99.9 s"
)

// grid is how the live lines are set in a terminal. A narrow one has smaller gaps, then a shorter bar, then none, and
// then fewer columns.
type grid struct {
	columns []column
	gap     int
	bar     int                 // width of the bar of the lease
	full    time.Duration       // the longest time a lease can be left
	shares  func(string) string // what a replica holds, instead of the bar; nil if one leads
}

// column is one of the grid's. Numbers are set to the righg.
type column struct {
	title  string
	width  int
	number bool
	cell   func(status) string
}

var (
	nameColumn  = column{"replica", 7, false, func(s status) string { return s.Name }}
	roleColumn  = column{"role", 8, false, func(s status) string { return s.Role }}
	termColumn  = column{"term", 4, true, func(s status) string { return ofLeader(s, fmt.Sprint(s.Term)) }}
	tokenColumn = column{"token", 8, true, func(s status) string { return ofLeader(s, s.Token) }}
	countColumn = column{"reconciled", 10, true, func(s status) string { return fmt.Sprint(s.Reconciled) }}
)

func ofLeader(s status, text string) string {
	if s.Role != isLeader {
		return "-"
	}
	return text
}

// newGrid returns the grid with the most that has room in a width.
func newGrid(width int, full time.Duration) grid {
	g := grid{[]column{nameColumn, roleColumn, termColumn, tokenColumn, countColumn}, wideGap, barWidth, full, nil}
	if g.width() > width {
		g.gap = 1
	}
	g.bar = min(barWidth, max(0, barWidth-(g.width()-width)))
	if g.bar < barMinWidth {
		g.bar = 0
	}
	for g.width() > width && len(g.columns) > 2 {
		g.columns = slices.Delete(g.columns, 2, 3)
	}
	return g
}

// width is that of the longest row.
func (g grid) width() int {
	all := leftWidth
	if g.bar > 0 {
		all += g.bar + 1
	}
	for _, c := range g.columns {
		all += max(c.width, len(c.title)) + g.gap
	}
	return all
}

func (g grid) header() string {
	if g.shares != nil {
		return g.set(func(c column) string { return c.title }) + "which"
	}
	left := "lease left"
	if g.bar == 0 {
		left = "  left"
	}
	return g.set(func(c column) string { return c.title }) + left
}

func (g grid) row(s status) string {
	if g.shares != nil {
		return strings.TrimRight(g.set(func(c column) string { return c.cell(s) })+g.shares(s.Name), " ")
	}
	left := ""
	if s.Role == isLeader {
		filled := min(max(int(s.Remaining*time.Duration(g.bar)/max(g.full, 1)), 0), g.bar)
		left = fmt.Sprintf("%4.1f s", s.Remaining.Seconds())
		if g.bar > 0 {
			left = strings.Repeat("█", filled) + strings.Repeat("░", g.bar-filled) + " " + left
		}
	}
	return g.set(func(c column) string { return c.cell(s) }) + left
}

func (g grid) set(cell func(column) string) string {
	var line strings.Builder
	for _, c := range g.columns {
		width := c.width
		if !c.number {
			width = -width
		}
		fmt.Fprintf(&line, "%*s%*s", width, cell(c), g.gap, "")
	}
	return line.String()
}

// newShareGrid returns the grid of replicas that share shards, which held says the holders of. Where it has no room for
// all shards it tells only how many each has.
func newShareGrid(width int, held []string) grid {
	count := column{"shards", 6, true, func(s status) string {
		n := 0
		for _, holder := range held {
			if holder == s.Name {
				n++
			}
		}
		return fmt.Sprint(n)
	}}
	work := roleColumn
	work.cell = func(s status) string {
		if s.Role == isLeader || s.Role == isStandby {
			return "working"
		}
		return s.Role
	}
	g := grid{columns: []column{nameColumn, work, countColumn, count}, gap: wideGap, bar: len(held)}
	if g.width() > width {
		g.gap = 1
	}
	if g.width() > width {
		g.columns = slices.Delete(g.columns, 2, 3)
	}
	g.shares = func(name string) string {
		var strip strings.Builder
		for _, holder := range held {
			if holder == name {
				strip.WriteString("█")
			} else {
				strip.WriteString("·")
			}
		}
		return strip.String()
	}
	if g.width() > width {
		g.shares = func(string) string { return "" }
	}
	return g
}
