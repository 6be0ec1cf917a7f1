// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"errors"
	"log/slog"
	"net/http"
	"sync/atomic"
	"testing"

	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
)

// A transport that wraps nothing and has no connections to close, as one of a test or of a proxy.
func TestTheCallersTransportIsUsedWithoutAWord(t *testing.T) {
	said := &memoryLog{}
	klog.SetSlogLogger(slog.New(slog.NewTextHandler(said, nil)))
	defer klog.ClearLogger()
	s := serve(t, nil)
	var broken atomic.Bool
	bottom := wrapper(func(r *http.Request) (*http.Response, error) {
		if broken.Load() {
			return nil, errors.New("no")
		}
		return s.Client().Transport.RoundTrip(r)
	})
	own := &rest.Config{Host: s.URL, Transport: bottom}
	wrapped := s.config()
	wrapped.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return wrapper(func(r *http.Request) (*http.Response, error) {
			if broken.Load() {
				return nil, errors.New("no")
			}
			return next.RoundTrip(r)
		})
	})
	for name, cfg := range map[string]*rest.Config{"Transport": own, "WrapTransport": wrapped} {
		clientset := newClientset(t, cfg)
		broken.Store(true)
		for range 3 {
			if err := get(t, clientset, "lease"); err == nil {
				t.Errorf("%s: it was not used", name)
			}
		}
		broken.Store(false)
		mustGet(t, clientset)
	}
	if got := said.String(); got != "" {
		t.Errorf("the log says %s", got)
	}
}
