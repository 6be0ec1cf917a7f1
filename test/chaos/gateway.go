// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"k8s.io/client-go/rest"
)

// gateway is an HTTP proxy between a link and the API server, by whose certificate it passes for it. It gives lease
// requests answers that the API server would not give. Its methods may be called concurrently.
type gateway struct {
	listener net.Listener
	server   *http.Server
	proxy    *httputil.ReverseProxy
	close    func() error

	mu      sync.Mutex // guards all below
	answers []answer
	lasting map[string]answer // by verb
	given   int               // how many of these
	won     func()            // called once, before the reply to a write that puts a holder into the Lease is passed on
}

// answer is what a request gets instead of being passed on.
type answer struct {
	status     int
	retryAfter time.Duration
	message    string // of the Status that is the body; default "chaos"
	body       string // instead of a Status
	cut        bool   // the connection breaks within the body
}

func newGateway(p *plane) (*gateway, error) {
	transport, err := rest.TransportFor(&rest.Config{Host: p.Config.Host, TLSClientConfig: rest.TLSClientConfig{CAFile: p.CAFile()}})
	if err != nil {
		return nil, err
	}
	target, err := url.Parse(p.Config.Host)
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	g := &gateway{listener: listener}
	quiet := log.New(io.Discard, "", 0)
	g.proxy = &httputil.ReverseProxy{
		Transport: transport, FlushInterval: -1, ErrorLog: quiet,
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) },
	}
	g.server = &http.Server{
		Handler: g, ErrorLog: quiet, ReadHeaderTimeout: time.Minute,
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{p.Certificate}, MinVersion: tls.VersionTLS12},
	}
	done := make(chan error, 1)
	go func() { done <- g.server.ServeTLS(listener, "", "") }()
	g.close = func() error {
		err := errors.Join(g.server.Close(), <-done)
		if t, ok := transport.(interface{ CloseIdleConnections() }); ok {
			t.CloseIdleConnections()
		}
		if errors.Is(err, http.ErrServerClosed) {
			return nil
		}
		return err
	}
	return g, nil
}

// last gives lease requests with these verbs the same answer until it is called again.
func (g *gateway) last(a answer, verbs ...string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.lasting, g.given = map[string]answer{}, 0
	for _, verb := range verbs {
		g.lasting[verb] = a
	}
}

// gave returns how many of the lasting answers were given.
func (g *gateway) gave() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.given
}

// next gives the coming lease requests, except watches, these answers.
func (g *gateway) next(answers ...answer) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.answers = append(g.answers, answers...)
}

// pending is how many answers have not been given.
func (g *gateway) pending() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.answers)
}

func (g *gateway) whenWon(f func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.won = f
}

func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !strings.Contains(r.URL.Path, "/leases") {
		g.proxy.ServeHTTP(w, r)
		return
	}
	verb := verbOf(r)
	g.mu.Lock()
	a, ok := g.lasting[verb]
	if ok {
		g.given++
	}
	if !ok && verb != watchVerb && len(g.answers) > 0 {
		ok, a, g.answers = true, g.answers[0], g.answers[1:]
	}
	won := g.won
	g.mu.Unlock()
	if ok {
		a.write(w)
		return
	}
	if won == nil || r.Method == http.MethodGet {
		g.proxy.ServeHTTP(w, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	r = r.WithContext(context.WithoutCancel(r.Context()))
	r.Body = io.NopCloser(bytes.NewReader(body))
	proxy := *g.proxy
	proxy.ModifyResponse = func(response *http.Response) error {
		if response.StatusCode < 300 {
			g.whenWon(nil)
			won()
		}
		return nil
	}
	proxy.ServeHTTP(w, r)
}

func (a answer) write(w http.ResponseWriter) {
	body := a.body
	if body == "" {
		body = fmt.Sprintf(`{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":%q,"code":%d}`,
			cmp.Or(a.message, "chaos"), a.status)
	}
	header := w.Header()
	header.Set("Content-Type", "application/json")
	if a.retryAfter > 0 {
		header.Set("Retry-After", strconv.Itoa(int(a.retryAfter.Seconds())))
	}
	if a.cut {
		header.Set("Content-Length", strconv.Itoa(2*len(body)))
	}
	w.WriteHeader(a.status)
	_, _ = io.WriteString(w, body)
	if a.cut {
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler) // breaks the connection
	}
}
