// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// A column of a table.
type column struct {
	title string
	// floor is how narrow the column may become before others are left out. A column with the floor 0 is not narrowed.
	floor int
	// drop is the order in which columns are left out where there is no room, the highest first. A column with 0 is never
	// left out.
	drop int
}

// A cell is the clean text of a cell, and its color.
type cell struct {
	text  string
	short string // in place of text where there is no room, if it is not empty
	color color
}

// A table is printed as kubectl prints one.
type table struct {
	columns []column
	rows    [][]cell
}

const gap = 3 // as kubectl's

// print writes the table in at most width columns of the terminal, or as wide as it is if width is 0.
func (t table) print(out io.Writer, width int, colors bool) {
	show := make([]int, len(t.columns))
	for i := range show {
		show[i] = i
	}
	widths := t.widths(show, false)
	between := gap
	short := false
	if width > 0 && total(widths, gap) > width {
		between, short = 2, true
		for {
			widths = t.fit(show, width, between, 0)
			last := t.first(show)
			if total(widths, between) <= width {
				break
			}
			if last < 0 {
				widths = t.fit(show, width, between, narrowest)
				break
			}
			show = slices.Delete(show, last, last+1)
		}
		t.widen(show, widths, width-total(widths, between))
	}
	t.line(out, show, widths, between, func(i int) (string, color) { return t.columns[i].title, plain }, colors)
	for _, row := range t.rows {
		t.line(out, show, widths, between, func(i int) (string, color) {
			text := row[i].text
			if short && row[i].short != "" && columns(text) > widths[slices.Index(show, i)] {
				text = row[i].short
			}
			return text, row[i].color
		}, colors)
	}
}

func (t table) line(out io.Writer, show, widths []int, between int, at func(int) (string, color), colors bool) {
	var line strings.Builder
	for n, i := range show {
		text, color := at(i)
		text = elide(text, widths[n])
		if colors {
			line.WriteString(color.paint(text))
		} else {
			line.WriteString(text)
		}
		if n < len(show)-1 {
			line.WriteString(strings.Repeat(" ", widths[n]-columns(text)+between))
		}
	}
	fmt.Fprintln(out, strings.TrimRight(line.String(), " "))
}

// widths returns how wide the columns are, of their short texts if short is true.
func (t table) widths(show []int, short bool) []int {
	widths := make([]int, len(show))
	for n, i := range show {
		widths[n] = columns(t.columns[i].title)
		for _, row := range t.rows {
			text := row[i].text
			if short && row[i].short != "" {
				text = row[i].short
			}
			widths[n] = max(widths[n], columns(text))
		}
	}
	return widths
}

// narrowest is the floor of all columns that have one, where there is nothing to leave out.
const narrowest = 6

// fit returns the widths of the columns, shrunk as far as needed and possible. The widest shrinks first, to its floor
// or the one given.
func (t table) fit(show []int, width, between, floor int) []int {
	widths := t.widths(show, true)
	for total(widths, between) > width {
		widest := -1
		for n, i := range show {
			least := t.columns[i].floor
			if least > 0 && floor > 0 {
				least = floor
			}
			if least > 0 && widths[n] > least && (widest < 0 || widths[n] > widths[widest]) {
				widest = n
			}
		}
		if widest < 0 {
			break
		}
		widths[widest]--
	}
	return widths
}

// widen gives the room that is left to columns whose full texts fit into it.
func (t table) widen(show, widths []int, room int) {
	for n, full := range t.widths(show, false) {
		if more := full - widths[n]; more > 0 && more <= room {
			widths[n] = full
			room -= more
		}
	}
}

// first returns the place in show of the column to leave out next, -1 if all must stay.
func (t table) first(show []int) int {
	at, most := -1, 0
	for n, i := range show {
		if d := t.columns[i].drop; d > most {
			at, most = n, d
		}
	}
	return at
}

func total(widths []int, between int) int {
	sum := between * (len(widths) - 1)
	for _, w := range widths {
		sum += w
	}
	return sum
}
