// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package shards

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// worst returns the longest gap and the 99th percentile of those since a time.
func (w *world) worst(since time.Time) (p50, p99, longest time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var took []time.Duration
	for _, g := range w.gaps {
		if g.at >= since.Sub(w.began) {
			took = append(took, g.took)
		}
	}
	if len(took) == 0 {
		return 0, 0, 0
	}
	slices.Sort(took)
	return took[len(took)/2], took[(len(took)*99+99)/100-1], took[len(took)-1]
}

// logger returns a logger that discards all lines, unless a test is debugged.
func (w *world) logger(id string) *slog.Logger {
	if w.lines != nil {
		return w.lines.logger()
	}
	if !testing.Verbose() {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(w.t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug})).With("replica", id)
}

// lineCounter counts lines of Info and above, but for those of sessions' Electors.
type lineCounter struct {
	mu    sync.Mutex // guards lines
	lines []string
}

func (c *lineCounter) logger() *slog.Logger { return slog.New(slog.NewTextHandler(c, nil)) }

func (c *lineCounter) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if line := string(p); !strings.Contains(line, "role=session") {
		c.lines = append(c.lines, line)
	}
	return len(p), nil
}

func (c *lineCounter) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.lines)
}

func (c *lineCounter) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return fmt.Sprint(c.lines)
}
