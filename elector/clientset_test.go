// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/flowcontrol"
	"k8s.io/utils/ptr"
)

// api is a server that speaks TLS, HTTP/1.1 and HTTP/2, and notes every request.
type api struct {
	*httptest.Server

	mu       sync.Mutex // guards requests
	requests []*http.Request
}

// serve answers every request with a Lease, unless handle, if not nil, returns true for having answered it. Real time
// passes here, none is waited for.
func serve(t *testing.T, handle func(http.ResponseWriter, *http.Request) bool) *api {
	t.Helper()
	s := &api{}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.requests = append(s.requests, r)
		s.mu.Unlock()
		if handle == nil || !handle(w, r) {
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(&coordinationv1.Lease{Spec: coordinationv1.LeaseSpec{HolderIdentity: ptr.To("x")}})
		}
	}))
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

func (s *api) seen() []*http.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// last returns the connection that the newest request came by.
func (s *api) last() string {
	seen := s.seen()
	return seen[len(seen)-1].RemoteAddr
}

func (s *api) config() *rest.Config {
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	return &rest.Config{Host: s.URL, TLSClientConfig: rest.TLSClientConfig{CAData: ca}}
}

func newClientset(t *testing.T, cfg *rest.Config) kubernetes.Interface {
	t.Helper()
	clientset, err := NewClientset(cfg, Config{})
	if err != nil {
		t.Fatal(err)
	}
	return clientset
}

// get reads a Lease. Only a request that never ends meets the deadline.
func get(t *testing.T, clientset kubernetes.Interface, name string) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	_, err := clientset.CoordinationV1().Leases("ns").Get(ctx, name, metav1.GetOptions{})
	return err
}

func mustGet(t *testing.T, clientset kubernetes.Interface) {
	t.Helper()
	if err := get(t, clientset, "lease"); err != nil {
		t.Fatal(err)
	}
}

func TestGuarantee12TheLeaseClientHasNoRateLimit(t *testing.T) {
	s := serve(t, nil)
	limiter := func(clientset kubernetes.Interface) flowcontrol.RateLimiter {
		return clientset.CoordinationV1().RESTClient().GetRateLimiter()
	}
	slow, never := s.config(), s.config()
	slow.QPS, slow.Burst = 1, 1
	never.RateLimiter = flowcontrol.NewFakeNeverRateLimiter()
	for _, cfg := range []*rest.Config{slow, never} {
		own := newClientset(t, cfg)
		if limiter(own) != nil {
			t.Errorf("limited by %+v", limiter(own))
		}
		mustGet(t, own)
		if limiter(kubernetes.NewForConfigOrDie(cfg)) == nil {
			t.Error("an ordinary client has no limit either: nothing was shown")
		}
	}
	if err := get(t, kubernetes.NewForConfigOrDie(never), "lease"); err == nil {
		t.Error("the limiter that lets nothing pass let something pass: nothing was shown")
	}
}

func TestARetryAfterIsNotWaitedForWithinTheCall(t *testing.T) {
	for code, is := range map[int]func(error) bool{
		http.StatusTooManyRequests:    apierrors.IsTooManyRequests,
		http.StatusServiceUnavailable: apierrors.IsServiceUnavailable,
	} {
		t.Run(http.StatusText(code), func(t *testing.T) {
			s := serve(t, func(w http.ResponseWriter, _ *http.Request) bool {
				w.Header().Set("Retry-After", "1")
				w.WriteHeader(code)
				return true
			})
			leases := newClientset(t, s.config()).CoordinationV1().Leases("ns")
			lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: "lease"}}
			for i, call := range []func() error{
				func() error { _, err := leases.Get(t.Context(), "lease", metav1.GetOptions{}); return err },
				func() error { _, err := leases.Create(t.Context(), lease, metav1.CreateOptions{}); return err },
				func() error { _, err := leases.Update(t.Context(), lease, metav1.UpdateOptions{}); return err },
				func() error { _, err := leases.Watch(t.Context(), metav1.ListOptions{}); return err },
			} {
				if err := call(); !is(err) {
					t.Errorf("call %d: %v", i, err)
				}
				if n := len(s.seen()); n != i+1 {
					t.Fatalf("%d requests after %d calls", n, i+1)
				}
			}
		})
	}
}

func TestNewClientsetChangesNothingOfTheCallers(t *testing.T) {
	s := serve(t, nil)
	cfg := s.config()
	cfg.QPS, cfg.Burst, cfg.Timeout = 7, 8, 9*time.Second
	cfg.NextProtos = []string{"h2", "http/1.1"}
	cfg.BearerToken = "secret"
	before := rest.CopyConfig(cfg)
	mustGet(t, newClientset(t, cfg))
	if !reflect.DeepEqual(cfg, before) {
		t.Errorf("changed to %v", cfg)
	}
}

func TestTheCallersTimeoutDoesNotCutTheWatch(t *testing.T) {
	s := serve(t, nil)
	cfg := s.config()
	cfg.Timeout = time.Nanosecond
	mustGet(t, newClientset(t, cfg))
	if err := get(t, kubernetes.NewForConfigOrDie(cfg), "lease"); err == nil {
		t.Error("an ordinary client has no timeout either: nothing was shown")
	}
}

func TestTheCallersDialAndTransportWrapperAreKept(t *testing.T) {
	s := serve(t, nil)
	cfg := s.config()
	dialled, wrapped := 0, 0
	cfg.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		dialled++
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}
	cfg.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return wrapper(func(r *http.Request) (*http.Response, error) {
			wrapped++
			return next.RoundTrip(r)
		})
	})
	mustGet(t, newClientset(t, cfg))
	if dialled != 1 || wrapped != 1 {
		t.Errorf("dialled %d times, wrapped %d requests", dialled, wrapped)
	}
}

type wrapper func(*http.Request) (*http.Response, error)

func (f wrapper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestTheLeaseClientSaysWhatItIsAndWhose(t *testing.T) {
	for own, want := range map[string]string{
		"":               rest.DefaultKubernetesUserAgent() + "/leader-election",
		"my-operator/v1": "my-operator/v1/leader-election",
	} {
		s := serve(t, nil)
		cfg := s.config()
		cfg.UserAgent = own
		mustGet(t, newClientset(t, cfg))
		if got := s.seen()[0].UserAgent(); got != want {
			t.Errorf("user agent %q, want %q", got, want)
		}
	}
}

func TestNewClientsetRefusesWhatCannotWork(t *testing.T) {
	for name, c := range map[string]struct {
		cfg    *rest.Config
		config Config
		want   string
	}{
		"no rest.Config":  {nil, Config{}, "rest.Config: must not be nil"},
		"durations":       {&rest.Config{}, Config{RenewDeadline: time.Minute, DrainTimeout: -1}, "LeaseDuration: 15s: must be greater than RenewDeadline (1m0s)"},
		"bare seconds":    {&rest.Config{}, Config{RetryPeriod: 2}, "RetryPeriod: 2ns: must be at least 10ms"},
		"all of them":     {&rest.Config{}, Config{RenewDeadline: time.Minute, DrainTimeout: -1}, "DrainTimeout: -1ns: must not be negative"},
		"unusable config": {&rest.Config{Host: "a b://c"}, Config{}, "a b"},
	} {
		clientset, err := NewClientset(c.cfg, c.config)
		if err == nil || !strings.Contains(err.Error(), c.want) || clientset != nil {
			t.Errorf("%s: got %v, %v, want %q", name, clientset, err, c.want)
		}
	}
}
