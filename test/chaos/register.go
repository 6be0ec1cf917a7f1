// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"net"
	"sync"
	"time"

	"github.com/kube-elector/elector/elector"
)

// register is something outside the cluster that leaders write to, and no fault keeps them from it. It refuses a write
// whose token is lower than one it has seen; without a token it takes any.
type register struct {
	listener net.Listener
	note     func(occurrence)
	group    sync.WaitGroup

	mu      sync.Mutex // guards all below
	highest elector.Token
	conns   map[net.Conn]struct{}
	closed  bool
}

// registerWrite is by a process of a replica.
type registerWrite struct{ Replica, Token string }

func newRegister(note func(occurrence)) (*register, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &register{listener: l, note: note, conns: map[net.Conn]struct{}{}}
	r.group.Go(r.accept)
	return r, nil
}

func (r *register) close() error {
	err := r.listener.Close()
	r.mu.Lock()
	r.closed = true
	for c := range r.conns {
		_ = c.Close() // Its reader sees it.
	}
	r.mu.Unlock()
	r.group.Wait()
	return err
}

func (r *register) accept() {
	for {
		c, err := r.listener.Accept()
		if err != nil {
			return
		}
		r.mu.Lock()
		r.conns[c] = struct{}{}
		if r.closed {
			_ = c.Close()
		}
		r.mu.Unlock()
		r.group.Go(func() {
			r.serve(c)
			_ = c.Close()
			r.mu.Lock()
			delete(r.conns, c)
			r.mu.Unlock()
		})
	}
}

func (r *register) serve(c net.Conn) {
	in, out := json.NewDecoder(c), json.NewEncoder(c)
	for {
		var w registerWrite
		if in.Decode(&w) != nil {
			return
		}
		if out.Encode(r.take(w)) != nil {
			return
		}
	}
}

// take decides about a write.
func (r *register) take(w registerWrite) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	ok := true
	if w.Token != "" {
		order, err := elector.Token(w.Token).Compare(r.highest)
		switch {
		case r.highest == "":
		case err != nil || order < 0:
			ok = false
		}
		if ok {
			r.highest = elector.Token(w.Token)
		}
	}
	what := accepted
	if !ok {
		what = refused
	}
	p := parseProcess(w.Replica)
	r.note(occurrence{At: time.Now(), Replica: p.replica, Process: p.number, Kind: what, Token: w.Token, Unfenced: w.Token == ""})
	return ok
}

// registerConn is a writer's connection to the register. It must not be used concurrently.
type registerConn struct {
	conn net.Conn
	in   *bufio.Reader
}

func dialRegister(ctx context.Context, address string) (*registerConn, error) {
	c, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return &registerConn{c, bufio.NewReader(c)}, nil
}

func (c *registerConn) close() { _ = c.conn.Close() }

// write returns an error if the register has gone, not if it refuses.
func (c *registerConn) write(replica, token string) error {
	if err := json.NewEncoder(c.conn).Encode(registerWrite{replica, token}); err != nil {
		return err
	}
	_, err := c.in.ReadString('\n')
	return err
}
