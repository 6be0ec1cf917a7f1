// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package lease

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	utilnet "k8s.io/apimachinery/pkg/util/net"
)

// avoidance is for how long requests go apart after one got no answer. By then client-go has closed a dead HTTP/2
// connection: it asks after 30 s without a word, and waits 15 s for an answer.
const avoidance = time.Minute

func (t *leaseTransport) roundTripShared(r *http.Request, watch bool) (*http.Response, error) {
	response, err := t.shared.RoundTrip(r)
	if err != nil {
		t.failed(r.Context())
		return nil, err
	}
	if !watch { // a watch ends by an error, too
		response.Body = &sharedBody{ReadCloser: response.Body, transport: t, request: r.Context()}
	}
	return response, nil
}

func (t *leaseTransport) roundTripApart(r *http.Request) (*http.Response, error) {
	apart, err := t.transportApart()
	if err != nil {
		closeBody(r)
		return nil, err
	}
	response, err := apart.RoundTrip(r)
	if err != nil {
		closeIdle(apart) // or the next attempt may meet another dead one
	}
	return response, err
}

// transportApart makes it at the first call. If that fails the next one tries again: a file that it is made of may just
// be about to be replaced.
func (t *leaseTransport) transportApart() (http.RoundTripper, error) {
	t.mu.Lock()
	apart := t.apart
	t.mu.Unlock()
	if apart != nil {
		return apart, nil
	}
	apart, err := t.makeApart()
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.apart == nil {
		t.apart = apart
	}
	return t.apart, nil
}

// closeIdle closes the idle connections of the transport at the bottom of r, if it can. Unlike client-go's function for
// it, it says nothing of a caller's own transport that cannot.
func closeIdle(r http.RoundTripper) {
	for {
		switch t := r.(type) {
		case interface{ CloseIdleConnections() }:
			t.CloseIdleConnections()
			return
		case utilnet.RoundTripperWrapper:
			r = t.WrappedRoundTripper()
		default:
			return
		}
	}
}

// trusted reports whether a request may go by a connection that it shares with watches.
func (t *leaseTransport) trusted() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.avoided == 0 || Now().Mono >= t.avoided
}

// failed keeps the next attempts from meeting the same dead connection, unless request got no answer because its caller
// no longer wanted one.
func (t *leaseTransport) failed(request context.Context) {
	if abandoned(request) {
		return
	}
	t.mu.Lock()
	t.avoided = Now().Mono + avoidance
	t.mu.Unlock()
	closeIdle(t.shared)
}

// abandoned reports whether ctx was cancelled for another reason than that its time had passed.
func abandoned(ctx context.Context) bool {
	return errors.Is(ctx.Err(), context.Canceled) && !errors.As(context.Cause(ctx), new(LateError))
}

// sharedBody is the body of an answer that comes by a shared connection. It tells the transport when the rest of it
// does not come.
type sharedBody struct {
	io.ReadCloser
	transport *leaseTransport
	request   context.Context
}

func (b *sharedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		b.transport.failed(b.request)
	}
	return n, err
}
