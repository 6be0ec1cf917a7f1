// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"

	"github.com/kube-elector/elector/elector/leasetest"
	"github.com/kube-elector/elector/test/harness"
)

// Where a candidate is when the fault begins.
const (
	asStandby = "standby" // beside a healthy leader
	asLeader  = "leader"
	asAlone   = "alone" // it starts in the fault, and finds the Lease released
)

const everything = "all"

var (
	faultRoles = []string{asStandby, asLeader, asAlone}
	faultVerbs = []string{"watch", "get", "write", everything, "watch+get"}
)

// A faultAnswer is an error of the API server.
type faultAnswer struct {
	name string
	err  error
}

var leaseResource = schema.GroupResource{Group: coordinationv1.GroupName, Resource: "leases"}

// faultAnswers are in the order of the table. A quick run takes the first ones.
var faultAnswers = []faultAnswer{
	{"403", apierrors.NewForbidden(leaseResource, rateLease, errors.New("no"))},
	{"429", apierrors.NewTooManyRequests("no", 1)},
	{"404", apierrors.NewNotFound(leaseResource, rateLease)},
	{"409", apierrors.NewConflict(leaseResource, rateLease, errors.New("no"))},
	{"409 exists", apierrors.NewAlreadyExists(leaseResource, rateLease)},
	{"410", apierrors.NewResourceExpired("no")},
	{"422", apierrors.NewInvalid(coordinationv1.SchemeGroupVersion.WithKind("Lease").GroupKind(), rateLease, nil)},
	{"500", apierrors.NewInternalError(errors.New("no"))},
	{"504", apierrors.NewTimeoutError("no", 1)},
}

const (
	rateNamespace = "ns"
	rateLease     = "lease"
	rateSettle    = time.Minute // until candidates have slowed down
	rateWindow    = 10 * time.Minute
)

// measureRates counts requests and log lines in faults that last, in virtual time. Only tests have that, so a child
// process runs as one.
func measureRates(ctx context.Context, b *bench) (_ []result, err error) {
	c, err := harness.StartProcess(ctx, "bench", task{Timing: b.timing, Faults: b.faultAnswers}, os.Stderr)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.Stop()) }()
	var rates []rate
	if err := c.Values.Decode(&rates); err != nil {
		return nil, fmt.Errorf("no rates: %w", err)
	}
	return byState(rates), nil
}

// runRates runs as a test, and ends the process.
func runRates(t task, out *json.Encoder) {
	all := func(string, string) (bool, error) { return true, nil }
	testing.Main(all, []testing.InternalTest{{Name: "rates", F: func(tt *testing.T) {
		var rates []rate
		for _, role := range faultRoles {
			for _, verbs := range faultVerbs {
				for _, a := range faultAnswers[:t.Faults] {
					for _, s := range peers {
						r := rate{Role: role, Verbs: verbs, Fault: a.name, Subject: s.name}
						synctest.Test(tt, func(tt *testing.T) {
							if err := r.measure(tt.Context(), s, t.Timing, a.err); err != nil {
								tt.Error(err)
							}
						})
						rates = append(rates, r)
					}
				}
			}
		}
		if err := out.Encode(rates); err != nil {
			tt.Error(err)
		}
	}}}, nil, nil)
}

// measure plays the fault in a bubble of virtual time.
func (r *rate) measure(ctx context.Context, s subject, t timing, fault error) error {
	server := leasetest.NewServer()
	first, err := r.candidate(server, "first", s, t)
	if err != nil {
		return err
	}
	other, err := r.candidate(server, "other", s, t)
	if err != nil {
		return err
	}
	defer other.stop()
	first.start(ctx)
	defer first.stop()
	sleep := func(d time.Duration) { _ = harness.Pause(ctx, d) } // The test lasts as long as this takes.
	sleep(time.Second)
	if !first.IsLeader() {
		return fmt.Errorf("%+v: nobody leads", *r)
	}
	if r.Role != asStandby {
		first.stop()
	}
	fail := func(op leasetest.Op) (f leasetest.Fault) {
		if r.Verbs == everything || slices.Contains(strings.Split(r.Verbs, "+"), classOf(op.Verb)) {
			f.Err = fault
		}
		return f
	}
	if r.Role == asAlone {
		other.client.Intercept(fail)
	}
	other.start(ctx)
	sleep(2 * time.Duration(t.LeaseDuration))
	if r.Role != asAlone {
		if leads := other.IsLeader(); leads != (r.Role == asLeader) {
			return fmt.Errorf("%+v: it leads: %v", *r, leads)
		}
		other.client.Intercept(fail)
		other.client.CutWatches()
	}
	sleep(rateSettle)
	server.ResetRequests()
	other.lines.Store(0)
	sleep(rateWindow)
	r.Requests = float64(server.Requests("other", "")) / rateWindow.Minutes()
	r.Lines = float64(other.lines.Load()) / rateWindow.Minutes()
	r.Leads = other.IsLeader()
	return nil
}

// classOf returns the verb as the table has it.
func classOf(verb string) string {
	if verb == "create" || verb == "update" {
		return "write"
	}
	return verb
}

// A rated candidate is one whose requests and log lines are counted.
type rated struct {
	client *leasetest.Client
	make   func() (candidate, error)
	lines  atomic.Int64
	cancel context.CancelFunc
	group  sync.WaitGroup

	mu  sync.Mutex // guards now
	now candidate
}

func (r *rate) candidate(server *leasetest.Server, name string, s subject, t timing) (*rated, error) {
	c := &rated{client: server.Client(name), cancel: func() {}}
	c.client.Latency(time.Millisecond, time.Millisecond)
	cfg := &rest.Config{Host: "http://leases.invalid", Transport: wire{c.client}}
	cfg.ContentType = runtime.ContentTypeJSON
	way, err := s.way(cfg, t)
	if err != nil {
		return nil, err
	}
	way.log = slog.New(slog.NewTextHandler(lineCounter{&c.lines}, nil))
	c.make = func() (candidate, error) {
		return s.candidate(way, seat{rateNamespace, rateLease, name, func(ctx context.Context) { <-ctx.Done() }}, t)
	}
	return c, nil
}

// restartDelay is how long a process that has ended is missed.
const restartDelay = time.Second

// start runs the candidate, and the next one when it ends by itself, as Kubernetes does.
func (c *rated) start(ctx context.Context) {
	ctx, c.cancel = context.WithCancel(ctx)
	c.group.Go(func() {
		for ; ctx.Err() == nil; _ = harness.Pause(ctx, restartDelay) {
			one, err := c.make()
			if err != nil {
				panic(err) // It was configured well before.
			}
			c.mu.Lock()
			c.now = one
			c.mu.Unlock()
			_ = one.Start(ctx) // It is started again.
		}
	})
}

func (c *rated) stop() {
	c.cancel()
	c.group.Wait()
}

func (c *rated) IsLeader() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now != nil && c.now.IsLeader()
}

type lineCounter struct{ n *atomic.Int64 }

func (l lineCounter) Write(p []byte) (int, error) {
	l.n.Add(1)
	return len(p), nil
}
