// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package replica

import (
	"errors"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/kube-elector/elector/elector"
	"github.com/kube-elector/elector/test/chaos/event"
	"github.com/kube-elector/elector/test/history"
)

// A Register is a store outside the cluster that leaders write to, which no fault keeps them from. It refuses a write
// with a lower token than it has seen, and takes any write without one.
type Register struct {
	Address string // host:port
	note    func(event.Event)
	server  http.Server
	done    chan error
	fence   history.Fence
}

// NewRegister opens a register, which reports every write to note.
func NewRegister(note func(event.Event)) (*Register, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &Register{Address: l.Addr().String(), note: note, done: make(chan error, 1)}
	r.server = http.Server{Handler: r, ReadHeaderTimeout: time.Minute}
	go func() { r.done <- r.server.Serve(l) }()
	return r, nil
}

// Close ends all connections.
func (r *Register) Close() error {
	if err := errors.Join(r.server.Close(), <-r.done); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// ServeHTTP takes or refuses a write.
func (r *Register) ServeHTTP(_ http.ResponseWriter, request *http.Request) {
	token := elector.Token(request.FormValue("token"))
	of := event.ParseProcess(request.FormValue("writer"))
	e := event.Event{Replica: of.Replica, Number: of.Number, Kind: event.Accepted, Token: string(token), Unfenced: token == ""}
	r.fence.Write(token, func(ok bool) {
		if !ok {
			e.Kind = event.Refused
		}
		e.At = time.Now()
		r.note(e)
	})
}

// A registerClient writes to a Register.
type registerClient struct {
	address string
	http.Client
}

func newRegisterClient(address string) *registerClient {
	return &registerClient{address, http.Client{Transport: &http.Transport{}}}
}

// write returns an error if the register has gone, not if it refuses the write.
func (c *registerClient) write(writer, token string) error {
	response, err := c.PostForm("http://"+c.address, url.Values{"writer": {writer}, "token": {token}}) //nolint:noctx // It answers at once.
	if err != nil {
		return err
	}
	return response.Body.Close()
}
