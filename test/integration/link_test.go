// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"

	"k8s.io/client-go/rest"
)

// link is a TCP path to the API server. While it is down, connections are refused and those there were are cut.
type link struct {
	t    *testing.T
	to   string
	addr string
	wg   sync.WaitGroup

	mu       sync.Mutex // guards all below
	listener net.Listener
	conns    map[net.Conn]struct{}
}

func newLink(t *testing.T) *link {
	t.Helper()
	server, err := url.Parse(restConfig.Host)
	if err != nil {
		t.Fatal(err)
	}
	l := &link{t: t, to: server.Host, addr: "127.0.0.1:0", conns: map[net.Conn]struct{}{}}
	l.up()
	t.Cleanup(func() {
		l.down()
		l.wg.Wait()
	})
	return l
}

// config returns a config that reaches the API server by the link.
func (l *link) config() *rest.Config {
	c := rest.CopyConfig(restConfig)
	c.Host = "https://" + l.addr
	return c
}

func (l *link) up() {
	l.t.Helper()
	listener, err := net.Listen("tcp", l.addr)
	if err != nil {
		l.t.Fatal(err)
	}
	l.addr = listener.Addr().String()
	l.mu.Lock()
	l.listener = listener
	l.mu.Unlock()
	l.wg.Go(func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			l.wg.Go(func() { l.carry(near) })
		}
	})
}

func (l *link) down() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.listener != nil {
		_ = l.listener.Close()
	}
	l.listener = nil
	for c := range l.conns {
		_ = c.Close()
	}
}

func (l *link) carry(near net.Conn) {
	defer func() { _ = near.Close() }()
	far, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", l.to)
	if err != nil {
		return
	}
	defer func() { _ = far.Close() }()
	l.mu.Lock()
	isUp := l.listener != nil
	l.conns[near] = struct{}{}
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		delete(l.conns, near)
		l.mu.Unlock()
	}()
	if !isUp {
		return
	}
	l.wg.Go(func() {
		_, _ = io.Copy(near, far)
		_ = near.Close()
	})
	_, _ = io.Copy(far, near)
}
