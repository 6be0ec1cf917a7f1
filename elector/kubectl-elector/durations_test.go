// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"testing"
	"time"
)

func TestTimesAreBrief(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0:                       "0.0ms",
		1500 * time.Microsecond: "1.5ms",
		15 * time.Millisecond:   "15ms",
		1250 * time.Millisecond: "1.2s",
		9999 * time.Millisecond: "9.9s",
		14 * time.Second:        "14s",
		3 * time.Hour:           "3h",
		-2 * time.Second:        "-2.0s",
		1<<63 - 1:               "292y",
		-1 << 63:                "-292y",
	} {
		if got := brief(d); got != want {
			t.Errorf("%v is %s, want %s", d, got, want)
		}
	}
	if got := ago(-time.Minute); got != "in 60s" {
		t.Errorf("a minute ahead is %s", got)
	}
}

func TestTheAPIServersClockIsUsedWhereThisOneDiffers(t *testing.T) {
	sent := time.Now()
	date := func(d time.Duration) string { return sent.Add(d).UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT") }
	for _, try := range []struct{ ahead, least, most time.Duration }{
		{0, 0, 0},
		{time.Hour, time.Hour - time.Second, time.Hour},
		{-time.Hour, -time.Hour, -time.Hour + time.Second},
	} {
		var c serverClock
		c.read(date(try.ahead), sent, sent.Add(10*time.Millisecond))
		if got := c.ahead(); got < try.least || got > try.most {
			t.Errorf("%v ahead is taken for %v", try.ahead, got)
		}
	}
	var c serverClock
	c.read("", sent, sent)
	c.read("yesterday", sent, sent)
	if c.ahead() != 0 {
		t.Error("a Date that is none was believed")
	}
}
