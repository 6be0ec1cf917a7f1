// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"sync"
	"time"
)

const (
	liveEvery = 200 * time.Millisecond
	logEvery  = 10 * time.Second
)

// A display shows progress, on a terminal in one line that changes, elsewhere in a line now and then. It may be used
// concurrently.
type display struct {
	out   io.Writer
	width func() int // of the terminal; nil if there is none
	began time.Time
	done  chan struct{}
	ended chan struct{}

	mu    sync.Mutex // guards the fields below and writes to out
	text  string     // the current activity, "" for none
	shown bool       // a live line is on the screen
}

// newDisplay starts a display. It must be closed.
func newDisplay(out io.Writer, width func() int) *display {
	d := &display{out: out, width: width, began: time.Now(), done: make(chan struct{}), ended: make(chan struct{})}
	go d.tick()
	return d
}

func (d *display) tick() {
	defer close(d.ended)
	every := logEvery
	if d.width != nil {
		every = liveEvery
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-d.done:
			return
		case <-tick.C:
			d.draw()
		}
	}
}

func (d *display) draw() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.text == "" {
		return
	}
	line := fmt.Sprintf("envtest: [%s] %s", seconds(time.Since(d.began)), d.text)
	if d.width == nil {
		fmt.Fprintln(d.out, line)
		return
	}
	// One column stays free, since a terminal may wrap after the last one.
	fmt.Fprintf(d.out, "\r%.*s\x1b[K", max(0, d.width()-1), line)
	d.shown = true
}

// set sets the current activity. The display shows it at its next update.
func (d *display) set(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.text = fmt.Sprintf(format, args...)
}

// say prints a line that stays, and clears the current activity.
func (d *display) say(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.wipe()
	d.text = ""
	fmt.Fprintf(d.out, "envtest: "+format+"\n", args...)
}

func (d *display) wipe() {
	if d.shown {
		fmt.Fprint(d.out, "\r\x1b[K")
		d.shown = false
	}
}

// close stops the display and erases its live line.
func (d *display) close() {
	close(d.done)
	<-d.ended
	d.mu.Lock()
	defer d.mu.Unlock()
	d.wipe()
}

func seconds(d time.Duration) time.Duration { return d.Round(time.Second) }
