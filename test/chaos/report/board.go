// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// A Board shows what is being played, and how each scenario ended. Its methods may be called concurrently.
type Board struct {
	total int // 0 if it is not known
	began time.Time

	mu            sync.Mutex // guards all below
	out           io.Writer
	ended, failed int
}

// NewBoard returns a Board for that many scenarios, 0 if nobody knows how many.
func NewBoard(out io.Writer, total int) *Board {
	return &Board{out: out, total: total, began: time.Now()}
}

// Begin shows that a scenario begins.
func (b *Board) Begin(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	of := ""
	if b.total > 0 {
		of = fmt.Sprintf(" of %d", b.total)
	}
	fmt.Fprintf(b.out, "%v: %d%s played, %d did not pass; now %s\n", time.Since(b.began).Round(time.Second), b.ended, of, b.failed, name)
}

// End shows how a scenario ended.
func (b *Board) End(name string, r Result) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended++
	if r.Verdict != Passed {
		b.failed++
	}
	fmt.Fprintf(b.out, "%-5s %-12s %s (%v)\n", r.Verdict, name, r.Name, r.Took.Round(time.Second/10))
	for _, f := range r.Failures {
		fmt.Fprintln(b.out, "      "+strings.ReplaceAll(f, "\n", "\n      "))
	}
}
