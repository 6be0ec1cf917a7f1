// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// A Link is the network between one replica and the API server. It is a TCP proxy. What it holds back arrives when the
// network works again, since TCP sends again what was not acknowledged. Its methods may be called concurrently.
type Link struct {
	Address string
	server  string // host:port
	group   sync.WaitGroup

	mu       sync.Mutex // guards all below
	listener net.Listener
	weather  Weather
	changed  chan struct{} // closed when the weather changes
	pipes    map[*pipe]struct{}
	closed   bool
}

// Weather is what the network does to bytes.
type Weather struct {
	LoseRequests, LoseReplies bool          // they do not arrive
	Delay                     time.Duration // of replies
	StallNew                  bool          // connections made in this weather carry nothing
}

// NewLink opens a link to a server, given as host:port.
func NewLink(server string) (*Link, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	k := &Link{Address: l.Addr().String(), listener: l, server: server, changed: make(chan struct{}), pipes: map[*pipe]struct{}{}}
	k.group.Go(func() { k.accept(l) })
	return k, nil
}

// Leave makes the address refuse connections, as when a server has gone, and breaks the open ones.
func (l *Link) Leave() error {
	l.Reset()
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.listener.Close()
}

// ComeBack makes the address accept connections again.
func (l *Link) ComeBack(ctx context.Context) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", l.Address)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.listener = listener
	l.group.Go(func() { l.accept(listener) })
	return nil
}

// Set changes the weather.
func (l *Link) Set(w Weather) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.weather = w
	l.changeLocked()
}

func (l *Link) changeLocked() {
	close(l.changed)
	l.changed = make(chan struct{})
}

// Freeze stops all traffic on the open connections, for good. New ones work.
func (l *Link) Freeze() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for p := range l.pipes {
		p.stalled = true
	}
	l.changeLocked()
}

// Reset breaks the open connections. Both ends notice.
func (l *Link) Reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for p := range l.pipes {
		p.breakOff()
	}
}

// Heal makes the weather fair, and breaks connections that carry nothing.
func (l *Link) Heal() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.weather = Weather{}
	for p := range l.pipes {
		if p.stalled {
			p.breakOff()
		}
	}
	l.changeLocked()
}

// Close ends all connections and waits for them.
func (l *Link) Close() error {
	l.mu.Lock()
	l.closed = true
	for p := range l.pipes {
		p.breakOff()
	}
	err := l.listener.Close()
	l.mu.Unlock()
	l.group.Wait()
	if errors.Is(err, net.ErrClosed) { // It was left.
		return nil
	}
	return err
}

func (l *Link) accept(listener net.Listener) {
	for {
		client, err := listener.Accept()
		if err != nil {
			return // closed
		}
		l.group.Go(func() { l.connect(client) })
	}
}

func (l *Link) connect(client net.Conn) {
	server, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", l.server) // On loopback it does not wait.
	if err != nil {
		_ = client.(*net.TCPConn).SetLinger(0) // It is refused.
		_ = client.Close()
		return
	}
	p := &pipe{link: l, client: client, server: server, over: make(chan struct{})}
	l.mu.Lock()
	p.stalled = l.weather.StallNew
	l.pipes[p] = struct{}{}
	if l.closed {
		p.breakOff()
	}
	l.mu.Unlock()
	var group sync.WaitGroup
	group.Go(func() { p.carry(client, server, false) })
	group.Go(func() { p.carry(server, client, true) })
	group.Wait()
	l.mu.Lock()
	p.breakOff()
	delete(l.pipes, p)
	l.mu.Unlock()
}

// pipe is one connection.
type pipe struct {
	link           *Link
	client, server net.Conn
	stalled        bool          // guarded by link.mu
	broken         bool          // guarded by link.mu
	over           chan struct{} // closed when broken
}

// breakOff must be called with link.mu held.
func (p *pipe) breakOff() {
	if p.broken {
		return
	}
	p.broken = true
	close(p.over)
	for _, c := range []net.Conn{p.client, p.server} {
		_ = c.(*net.TCPConn).SetLinger(0)
		_ = c.Close()
	}
}

type chunk struct {
	data []byte
	due  time.Time
}

// carry takes bytes from one end to the other, until the former has no more.
func (p *pipe) carry(from, to net.Conn, replies bool) {
	chunks := make(chan chunk, 256)
	var reading sync.WaitGroup
	reading.Go(func() {
		defer close(chunks)
		for {
			buffer := make([]byte, 32<<10)
			n, err := from.Read(buffer)
			if n > 0 {
				select {
				case chunks <- chunk{buffer[:n], time.Now().Add(p.delay(replies))}:
				case <-p.over:
				}
			}
			if err != nil {
				if !errors.Is(err, io.EOF) {
					p.fail()
				}
				return
			}
		}
	})
	defer reading.Wait()
	for c := range chunks {
		if !p.await(c.due, replies) {
			break
		}
		if _, err := to.Write(c.data); err != nil {
			p.fail()
			break
		}
	}
	if p.await(time.Time{}, replies) {
		_ = to.(*net.TCPConn).CloseWrite()
	} else {
		p.fail()
	}
}

func (p *pipe) fail() {
	p.link.mu.Lock()
	defer p.link.mu.Unlock()
	p.breakOff()
}

func (p *pipe) delay(replies bool) time.Duration {
	p.link.mu.Lock()
	defer p.link.mu.Unlock()
	if replies {
		return p.link.weather.Delay
	}
	return 0
}

// await waits until it is time, and the weather lets bytes pass. It reports false if the connection is over before.
func (p *pipe) await(due time.Time, replies bool) bool {
	if wait := time.Until(due); wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-p.over:
			return false
		}
	}
	for {
		p.link.mu.Lock()
		w, changed := p.link.weather, p.link.changed
		held := p.stalled || replies && w.LoseReplies || !replies && w.LoseRequests
		broken := p.broken
		p.link.mu.Unlock()
		if broken || !held {
			return !broken
		}
		select {
		case <-changed:
		case <-p.over:
			return false
		}
	}
}

// WatchVerb is the verb of watches.
const WatchVerb = "WATCH"

// VerbOf returns the HTTP method of a request, or [WatchVerb].
func VerbOf(r *http.Request) string {
	if r.URL.Query().Has("watch") {
		return WatchVerb
	}
	return r.Method
}
