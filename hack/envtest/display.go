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

// display shows what is going on: on a terminal in one line that changes, elsewhere in a line now and then.
// It may be used concurrently.
type display struct {
	out   io.Writer
	width func() int // of the terminal; nil if there is none
	began time.Time
	done  chan struct{}
	ended chan struct{}

	mu    sync.Mutex // guards what is below, and writing to out
	text  string     // what is going on, "" for nothing
	shown bool       // there is a live line to wipe out
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
	// One column stays free: a terminal may wrap when the last one is written.
	fmt.Fprintf(d.out, "\r%.*s\x1b[K", max(0, d.width()-1), line)
	d.shown = true
}

// set says what is going on from now on; it is shown when its time comes.
func (d *display) set(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.text = fmt.Sprintf(format, args...)
}

// say prints a line that stays, and ends what was going on.
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

// close ends the display and wipes out its live line.
func (d *display) close() {
	close(d.done)
	<-d.ended
	d.mu.Lock()
	defer d.mu.Unlock()
	d.wipe()
}

func seconds(d time.Duration) time.Duration { return d.Round(time.Second) }
