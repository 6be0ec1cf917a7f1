// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package stage

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

	"github.com/kube-elector/elector/test/harness"
)

// A Gateway is an HTTP proxy between a link and the API server, with the API server's certificate. It gives requests
// about Leases answers that the API server would not give. Its methods may be called concurrently.
type Gateway struct {
	listener net.Listener
	server   *http.Server
	proxy    *httputil.ReverseProxy
	close    func() error

	mu      sync.Mutex // guards all below
	answers []Answer
	lasting map[string]Answer // by verb
	given   int               // how many of these
	won     func()            // called once, before the reply to a write that puts a holder into the Lease is passed on
}

// An Answer is what a request gets instead of being passed on.
type Answer struct {
	Status     int
	RetryAfter time.Duration
	Message    string // of the Status that is the body; default "chaos"
	Body       string // instead of a Status
	Cut        bool   // the connection breaks within the body
}

func newGateway(p *Plane) (*Gateway, error) {
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
	g := &Gateway{listener: listener}
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

// Last gives requests with these verbs the same answer until it is called again.
func (g *Gateway) Last(a Answer, verbs ...string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.lasting, g.given = map[string]Answer{}, 0
	for _, verb := range verbs {
		g.lasting[verb] = a
	}
}

// Gave returns how many of the lasting answers were given.
func (g *Gateway) Gave() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.given
}

// Next gives the coming requests, except watches, these answers.
func (g *Gateway) Next(answers ...Answer) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.answers = append(g.answers, answers...)
}

// Pending returns how many answers have not been given.
func (g *Gateway) Pending() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.answers)
}

// WhenWon sets a function to call once, before the reply to a write that succeeds is passed on.
func (g *Gateway) WhenWon(f func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.won = f
}

// ServeHTTP answers a request or passes it on.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !strings.Contains(r.URL.Path, "/leases") {
		g.proxy.ServeHTTP(w, r)
		return
	}
	verb := harness.VerbOf(r)
	g.mu.Lock()
	a, ok := g.lasting[verb]
	if ok {
		g.given++
	}
	if !ok && verb != harness.WatchVerb && len(g.answers) > 0 {
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
			g.WhenWon(nil)
			won()
		}
		return nil
	}
	proxy.ServeHTTP(w, r)
}

func (a Answer) write(w http.ResponseWriter) {
	body := a.Body
	if body == "" {
		body = fmt.Sprintf(`{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":%q,"code":%d}`,
			cmp.Or(a.Message, "chaos"), a.Status)
	}
	header := w.Header()
	header.Set("Content-Type", "application/json")
	if a.RetryAfter > 0 {
		header.Set("Retry-After", strconv.Itoa(int(a.RetryAfter.Seconds())))
	}
	if a.Cut {
		header.Set("Content-Length", strconv.Itoa(2*len(body)))
	}
	w.WriteHeader(a.Status)
	_, _ = io.WriteString(w, body)
	if a.Cut {
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler) // breaks the connection
	}
}
