// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"
)

// board shows what is going on: on a terminal a line that changes, elsewhere a line for each end.
type board struct {
	out      io.Writer
	terminal bool
	began    time.Time
	total    int // 0: not known
	stop     chan struct{}
	group    sync.WaitGroup

	mu      sync.Mutex // guards all below
	playing map[string]time.Time
	ended   map[string]int // by verdict
}

func newBoard(out io.Writer) *board {
	b := &board{out: out, began: time.Now(), stop: make(chan struct{}), playing: map[string]time.Time{}, ended: map[string]int{}}
	if f, ok := out.(interface{ Fd() uintptr }); ok {
		b.terminal = term.IsTerminal(int(f.Fd())) //nolint:gosec // A descriptor is an int.
	}
	if b.terminal {
		b.group.Go(b.live)
	}
	return b
}

func (b *board) live() {
	tick := time.NewTicker(time.Second / 4)
	defer tick.Stop()
	for {
		select {
		case <-b.stop:
			return
		case <-tick.C:
			b.mu.Lock()
			b.show()
			b.mu.Unlock()
		}
	}
}

// show is called with mu held.
func (b *board) show() {
	if !b.terminal {
		return
	}
	done := 0
	for _, n := range b.ended {
		done += n
	}
	line := fmt.Sprintf("%v: %d", time.Since(b.began).Round(time.Second), done)
	if b.total > 0 {
		line += fmt.Sprintf(" of %d", b.total)
	}
	line += fmt.Sprintf(" played, %d not passed; now", done-b.ended[passed])
	for _, name := range slices.Sorted(maps.Keys(b.playing)) {
		line += fmt.Sprintf(" %s (%.0fs)", name, time.Since(b.playing[name]).Seconds())
	}
	fmt.Fprintf(b.out, "\r\033[K%.150s", line)
}

func (b *board) begin(one turn) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.playing[one.name] = time.Now()
	b.show()
}

func (b *board) end(one turn, r result) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.playing, one.name)
	b.ended[r.Verdict]++
	if b.terminal {
		fmt.Fprint(b.out, "\r\033[K")
	}
	fmt.Fprintf(b.out, "%-5s %-12s %s (%v)\n", r.Verdict, one.name, r.Name, r.Took.Round(time.Second/10))
	for _, f := range r.Failures {
		fmt.Fprintln(b.out, "      "+strings.ReplaceAll(f, "\n", "\n      "))
	}
	b.show()
}

func (b *board) close() {
	close(b.stop)
	b.group.Wait()
	if b.terminal {
		fmt.Fprint(b.out, "\r\033[K")
	}
}
