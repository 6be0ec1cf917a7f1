// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"
)

// echo is a server that sends back what it is sent.
func echo(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.Copy(c, c)
				_ = c.Close()
			}()
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-done
	})
	return l.Addr().String()
}

func openLink(t *testing.T) *link {
	t.Helper()
	l, err := newLink(echo(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func dial(t *testing.T, l *link) net.Conn {
	t.Helper()
	c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", l.address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

const (
	soon = 100 * time.Millisecond // enough for an answer that comes at once
	ages = 10 * time.Second       // enough for any answer
)

// says sends a word and reports whether it comes back in time.
func says(t *testing.T, c net.Conn, timeout time.Duration) bool {
	t.Helper()
	if _, err := c.Write([]byte("word")); err != nil {
		return false
	}
	return hears(t, c, timeout)
}

func hears(t *testing.T, c net.Conn, timeout time.Duration) bool {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(timeout)); err != nil {
		t.Fatal(err)
	}
	_, err := io.ReadFull(c, make([]byte, 4))
	return err == nil
}

func TestWhatALinkHoldsBackArrivesWhenItHeals(t *testing.T) {
	for name, w := range map[string]weather{
		"both ways": {loseRequests: true, loseReplies: true},
		"requests":  {loseRequests: true},
		"replies":   {loseReplies: true},
	} {
		t.Run(name, func(t *testing.T) {
			l := openLink(t)
			c := dial(t, l)
			if !says(t, c, ages) {
				t.Fatal("a link in fair weather does not answer")
			}
			l.set(w)
			if says(t, c, soon) {
				t.Error("it answers")
			}
			if says(t, dial(t, l), soon) {
				t.Error("a new connection answers")
			}
			l.heal()
			if !hears(t, c, ages) {
				t.Error("what was held back is lost")
			}
		})
	}
}

func TestALinkDelaysReplies(t *testing.T) {
	l := openLink(t)
	c := dial(t, l)
	l.set(weather{delay: 3 * soon})
	before := time.Now()
	if !says(t, c, ages) {
		t.Fatal("no answer at all")
	}
	if took := time.Since(before); took < 3*soon {
		t.Errorf("answers after %v", took)
	}
}

func TestFrozenConnectionsStayDeadWhileNewOnesWork(t *testing.T) {
	l := openLink(t)
	old := dial(t, l)
	if !says(t, old, ages) {
		t.Fatal("no answer")
	}
	l.freeze()
	if says(t, old, soon) {
		t.Error("the frozen connection answers")
	}
	if !says(t, dial(t, l), ages) {
		t.Error("a new connection does not answer")
	}
	l.heal()
	if hears(t, old, ages) {
		t.Error("the frozen connection has come back to life")
	}
}

func TestAResetIsNoticedAndNewConnectionsMayStall(t *testing.T) {
	l := openLink(t)
	c := dial(t, l)
	if !says(t, c, ages) {
		t.Fatal("no answer")
	}
	l.set(weather{stallNew: true})
	l.reset()
	if err := c.SetReadDeadline(time.Now().Add(ages)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the connection is not reset: %v", err)
	}
	stalled := dial(t, l)
	if says(t, stalled, soon) {
		t.Error("a new connection answers")
	}
	l.set(weather{})
	if says(t, stalled, soon) {
		t.Error("a connection that stalls no longer does")
	}
	if !says(t, dial(t, l), ages) {
		t.Error("a new connection still stalls")
	}
}

func TestALinkThatLeavesRefusesConnectionsUntilItComesBack(t *testing.T) {
	l := openLink(t)
	if err := l.leave(); err != nil {
		t.Fatal(err)
	}
	if _, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", l.address); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("a new connection is not refused: %v", err)
	}
	if err := l.comeBack(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !says(t, dial(t, l), ages) {
		t.Error("a new connection is still refused")
	}
}
