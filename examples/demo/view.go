// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"
)

const (
	redraw = 100 * time.Millisecond
)

// The colours of a terminal.
const (
	plainStyle = ""
	bold       = "1"
	dim        = "2"
	red        = "31"
	green      = "1;32"
	cyan       = "36"
)

// A view shows the board. It writes the board's lines one after another, and on a terminal a live line for each replica
// below them.
type view struct {
	out    io.Writer
	board  *board
	full   time.Duration // the longest time a lease can be left
	width  func() int    // of the terminal; nil if there is none
	colour bool
	done   chan struct{}
	ended  chan struct{}

	shown int // lines of the board
	live  int // lines on the terminal, to be drawn again
}

// newView starts a view. It must be closed.
func newView(out io.Writer, b *board, full time.Duration) *view {
	v := &view{
		out: out, board: b, full: full, width: terminalWidth(out), colour: os.Getenv("NO_COLOR") == "",
		done: make(chan struct{}), ended: make(chan struct{}),
	}
	go v.run()
	return v
}

// terminalWidth returns nil if out is no terminal that can be drawn on.
func terminalWidth(out io.Writer) func() int {
	if os.Getenv("TERM") == "dumb" || columns(out) == 0 {
		return nil
	}
	return func() int { return columns(out) }
}

// columns returns how wide the terminal is, 0 if out is no terminal.
func columns(out io.Writer) int {
	file, ok := out.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return 0
	}
	width, _, err := term.GetSize(int(file.Fd()))
	if err != nil || width <= 0 {
		return 80
	}
	return width
}

func (v *view) run() {
	defer close(v.ended)
	tick := time.NewTicker(redraw)
	defer tick.Stop()
	for {
		select {
		case <-v.done:
			return
		case <-tick.C:
			v.draw(true)
		}
	}
}

// close shows what has not been shown yet, and takes the live lines away.
func (v *view) close() {
	close(v.done)
	<-v.ended
	v.draw(false)
}

func (v *view) draw(live bool) {
	statuses, lines := v.board.snapshot(v.shown)
	v.shown += len(lines)
	var text strings.Builder
	if v.live > 0 { // Up to the first live line, and clear what is below.
		fmt.Fprintf(&text, "\x1b[%dF\x1b[J", v.live)
		v.live = 0
	}
	for _, line := range lines {
		text.WriteString(line + "\n")
	}
	if live && v.width != nil {
		drawn := v.lines(statuses, v.width())
		text.WriteString(strings.Join(drawn, ""))
		v.live = len(drawn)
	}
	_, _ = io.WriteString(v.out, text.String()) // Nobody can be told if nobody can be shown.
}

// lines returns the live lines, none longer than the terminal is wide. A terminal would wrap them, and they could not
// be found.
func (v *view) lines(statuses []status, width int) []string {
	g := newGrid(width-1, v.full)
	if held := v.board.shares(); held != nil {
		g = newShareGrid(width-1, held)
	}
	made := []string{"\n", v.line(width, bold, g.header())}
	for _, s := range statuses {
		made = append(made, v.line(width, styles[s.Role], g.row(s)))
	}
	return made
}

var styles = map[string]string{
	isLeader: green, isStandby: plainStyle, isStarting: dim, isDown: red, isCold: cyan,
}

func (v *view) line(width int, style, text string) string {
	cut := []rune(text)
	cut = cut[:min(len(cut), max(width-1, 0))]
	if !v.colour || style == plainStyle {
		return string(cut) + "\n"
	}
	return "\x1b[" + style + "m" + string(cut) + "\x1b[0m\n"
}
