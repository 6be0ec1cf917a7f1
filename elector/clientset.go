// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/kube-elector/elector/elector/internal/lease"
)

// NewClientset makes a clientset for lease traffic only, of what RESTConfig makes of cfg and config.
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
// config gives the durations; its zero ones have their defaults. It returns an error if cfg is nil or cannot be used,
// or config is invalid. Requests are bounded by their contexts, as the Elector's are. Their user agent is that of cfg,
// or client-go's default, with "/leader-election" after it. What WrapTransport of cfg wraps is not an *http.Transport,
// as since client-go 0.36. When Start of the last Elector that uses the connections returns, they are closed. It is for
// those who make a smaller clientset than the whole of Kubernetes' API, which adds some 8 MB to a binary.
func RESTConfig(cfg *rest.Config, config Config) (*rest.Config, error) {
	if cfg == nil {
		return nil, errors.New("elector: rest.Config: must not be nil")
	}
	config.setDurations()
	if err := errors.Join(config.durationFaults()...); err != nil {
		return nil, fmt.Errorf("elector: invalid config:\n%w", err)
	}
	own, err := lease.RESTConfig(cfg, config.attemptTimeout(), config.RetryPeriod)
	if err != nil {
		return nil, fmt.Errorf("elector: %w", err)
	}
	return own, nil
}

// KeepConnections returns a context for requests that are made beside an Elector's on its clientset, if that is from
// [NewClientset]. The connections are closed when nothing uses them any more, which is when the last Elector's Start
// has returned and done was called.
func KeepConnections(ctx context.Context) (_ context.Context, done func()) {
	u := new(lease.Usage)
	return u.In(ctx), u.End
}
