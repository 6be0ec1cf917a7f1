// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"errors"
	"fmt"
	"net"
	"net/http"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/transport"
)

// NewClientset makes a clientset for lease traffic only, of what RESTConfig
// makes of cfg and config.
func NewClientset(cfg *rest.Config, config Config) (kubernetes.Interface, error) {
	own, err := RESTConfig(cfg, config)
	if err != nil {
		return nil, err
	}
	clientset, err := kubernetes.NewForConfig(own)
	if err != nil {
		return nil, fmt.Errorf("elector: NewClientset: %w", err)
	}
	return clientset, nil
}

// RESTConfig makes of a copy of cfg what a client for lease traffic should have:
//   - connections of its own, so that controllers cannot exhaust them: one, by
//     HTTP/2, as long as the Elector's watch on it keeps telling things. When it
//     has said nothing for one and a half RetryPeriods, and for a minute after a
//     request without an answer, requests have connections apart, by HTTP/1.1,
//     where a dead one fails a single request. With NextProtos in cfg, that is what
//     is spoken instead of HTTP/2; with a Transport in it, all of this is up to that;
//   - after a request without an answer, idle connections are closed, so that
//     the next attempt does not meet another dead one;
//   - no client-side rate limit: the Elector sends a request every RetryPeriod;
//   - no waiting for a Retry-After within a call: the Elector has its own pace;
//   - where many Electors share the clientset, no more than 20 requests at once,
//     and 2 that open a watch; the others wait. A thousand watches opened at once
//     keep an API server from renewals.
//
// config gives the durations; its zero ones have their defaults. It returns an
// error if cfg is nil or cannot be used, or config is invalid. Requests are
// bounded by their contexts, as the Elector's are. Their user agent is that of
// cfg, or client-go's default, with "/leader-election" after it. When Start of the
// last Elector that uses the connections returns, they are closed. It is for those who make a
// smaller clientset than the whole of Kubernetes' API, which adds some 8 MB to a
// binary.
func RESTConfig(cfg *rest.Config, config Config) (*rest.Config, error) {
	if cfg == nil {
		return nil, errors.New("elector: rest.Config: must not be nil")
	}
	config.setDurations()
	if err := errors.Join(config.durationFaults()...); err != nil {
		return nil, fmt.Errorf("elector: invalid config:\n%w", err)
	}
	own := rest.CopyConfig(cfg)
	own.QPS, own.Burst, own.RateLimiter = -1, 0, nil
	own.Timeout = 0 // it would cut the watch too
	if own.Dial == nil {
		own.Dial = (&net.Dialer{Timeout: config.attemptTimeout(), KeepAlive: config.RetryPeriod}).DialContext
	}
	// A function of our own in any case, or the transport would be shared with
	// others that dial the same way.
	connections := newConnections()
	own.Dial = connections.dialing(own.Dial)
	apart, err := apartFrom(own)
	if err != nil {
		return nil, fmt.Errorf("elector: rest.Config: %w", err)
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

// apartFrom gives what makes a transport whose connections are as those of cfg, but
// by HTTP/1.1. Who asks, and how, has been added above it. Where the caller brings
// a transport it is nil.
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
