// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package lease

import (
	"fmt"
	"net"
	"net/http"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/transport"
)

// RESTConfig returns a copy of cfg for lease traffic, as elector.RESTConfig documents it. Opening a connection may take
// as long as an attempt. keepAlive is the interval of TCP's keep-alive probes.
func RESTConfig(cfg *rest.Config, attempt, keepAlive time.Duration) (*rest.Config, error) {
	own := rest.CopyConfig(cfg)
	own.QPS, own.Burst, own.RateLimiter = -1, 0, nil
	own.Timeout = 0 // it would cut the watch too
	if own.Dial == nil {
		own.Dial = (&net.Dialer{Timeout: attempt, KeepAlive: keepAlive}).DialContext
	}
	// A function of our own in any case, or the transport would be shared with others that dial the same way.
	connections := newConnections()
	own.Dial = connections.dialing(own.Dial)
	apart, err := apartFrom(own)
	if err != nil {
		return nil, fmt.Errorf("rest.Config: %w", err)
	}
	// Below the caller's wrappers, which may hide the connections from it.
	own.WrapTransport = transport.Wrappers(func(shared http.RoundTripper) http.RoundTripper {
		t := newLeaseTransport(shared, apart)
		t.connections = connections
		return t
	}, own.WrapTransport)
	if own.UserAgent == "" {
		own.UserAgent = rest.DefaultKubernetesUserAgent()
	}
	own.UserAgent += "/leader-election"
	return own, nil
}

// apartFrom returns what makes a transport whose connections are as those of cfg, but by HTTP/1.1. Who asks, and how,
// has been added above it. Where the caller brings a transport it returns nil.
func apartFrom(cfg *rest.Config) (func() (http.RoundTripper, error), error) {
	full, err := cfg.TransportConfig()
	if err != nil || full.Transport != nil {
		return nil, err
	}
	tls, dial, proxy, plain := full.TLS, full.DialHolder, full.Proxy, full.DisableCompression
	tls.NextProtos = []string{"http/1.1"}
	return func() (http.RoundTripper, error) {
		return transport.New(&transport.Config{TLS: tls, DialHolder: dial, Proxy: proxy, DisableCompression: plain})
	}, nil
}
