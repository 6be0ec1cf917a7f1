// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package report

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

// A Board shows what is going on. On a terminal it is a line that changes, elsewhere a line for each scenario that ends.
type Board struct {
	out      io.Writer
	terminal bool
	began    time.Time
	total    int
	stop     chan struct{}
	group    sync.WaitGroup

	mu      sync.Mutex // guards all below
	playing map[string]time.Time
	ended   map[string]int // by verdict
}

// NewBoard shows on out what is going on with so many scenarios, or 0 if that is not known.
func NewBoard(out io.Writer, total int) *Board {
	b := &Board{out: out, total: total, began: time.Now(), stop: make(chan struct{}), playing: map[string]time.Time{}, ended: map[string]int{}}
	if f, ok := out.(interface{ Fd() uintptr }); ok {
		b.terminal = term.IsTerminal(int(f.Fd())) //nolint:gosec // A descriptor is an int.
	}
	if b.terminal {
		b.group.Go(b.live)
	}
	return b
}

func (b *Board) live() {
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

// show must be called with mu held.
func (b *Board) show() {
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
	line += fmt.Sprintf(" played, %d not Passed; now", done-b.ended[Passed])
	for _, name := range slices.Sorted(maps.Keys(b.playing)) {
		line += fmt.Sprintf(" %s (%.0fs)", name, time.Since(b.playing[name]).Seconds())
	}
	fmt.Fprintf(b.out, "\r\033[K%.150s", line)
}

// Begin shows that the scenario with this name begins.
func (b *Board) Begin(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.playing[name] = time.Now()
	b.show()
}

// End shows its result.
func (b *Board) End(name string, r Result) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.playing, name)
	b.ended[r.Verdict]++
	if b.terminal {
		fmt.Fprint(b.out, "\r\033[K")
	}
	fmt.Fprintf(b.out, "%-5s %-12s %s (%v)\n", r.Verdict, name, r.Name, r.Took.Round(time.Second/10))
	for _, f := range r.Failures {
		fmt.Fprintln(b.out, "      "+strings.ReplaceAll(f, "\n", "\n      "))
	}
	b.show()
}

// Close ends the line that changes.
func (b *Board) Close() {
	close(b.stop)
	b.group.Wait()
	if b.terminal {
		fmt.Fprint(b.out, "\r\033[K")
	}
}
