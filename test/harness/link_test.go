// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"
)

// echo returns the address of a server that sends back what it receives.
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

func openLink(t *testing.T) *Link {
	t.Helper()
	l, err := NewLink(echo(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func dial(t *testing.T, l *Link) net.Conn {
	t.Helper()
	c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", l.Address)
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
	for name, w := range map[string]Weather{
		"both ways": {LoseRequests: true, LoseReplies: true},
		"requests":  {LoseRequests: true},
		"replies":   {LoseReplies: true},
	} {
		t.Run(name, func(t *testing.T) {
			l := openLink(t)
			c := dial(t, l)
			if !says(t, c, ages) {
				t.Fatal("a link in fair weather does not answer")
			}
			l.Set(w)
			if says(t, c, soon) {
				t.Error("it answers")
			}
			if says(t, dial(t, l), soon) {
				t.Error("a new connection answers")
			}
			l.Heal()
			if !hears(t, c, ages) {
				t.Error("what was held back is lost")
			}
		})
	}
}

func TestALinkDelaysReplies(t *testing.T) {
	l := openLink(t)
	c := dial(t, l)
	l.Set(Weather{Delay: 3 * soon})
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
	l.Freeze()
	if says(t, old, soon) {
		t.Error("the frozen connection answers")
	}
	if !says(t, dial(t, l), ages) {
		t.Error("a new connection does not answer")
	}
	l.Heal()
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
	l.Set(Weather{StallNew: true})
	l.Reset()
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
	l.Set(Weather{})
	if says(t, stalled, soon) {
		t.Error("a connection that stalls no longer does")
	}
	if !says(t, dial(t, l), ages) {
		t.Error("a new connection still stalls")
	}
}

func TestALinkThatLeavesRefusesConnectionsUntilItComesBack(t *testing.T) {
	l := openLink(t)
	if err := l.Leave(); err != nil {
		t.Fatal(err)
	}
	if _, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", l.Address); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("a new connection is not refused: %v", err)
	}
	if err := l.ComeBack(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !says(t, dial(t, l), ages) {
		t.Error("a new connection is still refused")
	}
}
