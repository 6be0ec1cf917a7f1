// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kube-elector/elector/test/harness"
)

// server is an API server, as an administrator.
type server struct{ Host, Token, CAFile string }

// task is what a child process is told.
type task struct {
	Subject string
	server
	Namespace string
	Leases    []string // one candidate for each
	Identity  string   // the candidates' identities begin with it
	Timing    timing

	Shared bool // whether all candidates use one clientset
	Window duration
	Faults int // how many of faultAnswers are played, instead of idling
}

// childMain runs a child process if this is one. Both this program and its test binary begin with it.
func childMain() (code int, isChild bool) { return harness.Child(childRun) }

func childRun(t task, in io.Reader) error {
	if t.Faults > 0 {
		runRates(t, json.NewEncoder(os.Stdout))
	}
	s, err := subjectNamed(t.Subject)
	if err != nil {
		return err
	}
	cfg := &rest.Config{Host: t.Host, BearerToken: t.Token, QPS: -1}
	cfg.CAFile = t.CAFile
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		defer cancel()
		harness.AwaitEnd(in)
	}()
	return runIdle(ctx, cfg, s, t, json.NewEncoder(os.Stdout))
}

// seat returns the seat of the task's i-th candidate.
func (t task) seat(i int, lead func(context.Context)) seat {
	return seat{t.Namespace, t.Leases[i], fmt.Sprintf("%s-%d", t.Identity, i), lead}
}

// candidate makes one with a clientset of its own.
func (t task) candidate(cfg *rest.Config, s subject, seat seat) (candidate, error) {
	w, err := s.way(newLink().config(cfg), t.Timing)
	if err != nil {
		return nil, err
	}
	return s.candidate(w, seat, t.Timing)
}

// runIdle runs in the child process.
func runIdle(ctx context.Context, cfg *rest.Config, s subject, t task, out *json.Encoder) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	w, err := s.way(newLink().config(cfg), t.Timing)
	if err != nil {
		return err
	}
	// Whatever the first request brings into a process is there before the baseline is taken.
	if _, err := w.client.CoordinationV1().Leases(t.Namespace).Get(ctx, t.Leases[0], metav1.GetOptions{}); client.IgnoreNotFound(err) != nil {
		return err
	}
	before := footprintNow()
	var group sync.WaitGroup
	defer group.Wait()
	defer cancel(nil)
	candidates, err := t.crew(cfg, w, s, func(term context.Context) {
		cancel(errors.New("a standby led: this machine is too busy to measure anything"))
		<-term.Done()
	})
	if err != nil {
		return err
	}
	for _, c := range candidates {
		group.Go(func() {
			if err := c.Start(ctx); err != nil {
				cancel(err)
			}
		})
	}
	found, err := t.watchIdle(ctx, candidates, before)
	if err != nil {
		return err
	}
	return out.Encode(found)
}

func (t task) crew(cfg *rest.Config, w way, s subject, lead func(context.Context)) ([]candidate, error) {
	candidates := make([]candidate, len(t.Leases))
	for i := range candidates {
		var err error
		if t.Shared {
			candidates[i], err = s.candidate(w, t.seat(i, lead), t.Timing)
		} else {
			candidates[i], err = t.candidate(cfg, s, t.seat(i, lead))
		}
		if err != nil {
			return nil, err
		}
	}
	return candidates, nil
}

// watchIdle waits until all stand by, and then for the window.
func (t task) watchIdle(ctx context.Context, candidates []candidate, before footprint) (footprint, error) {
	patient, cancel := t.Timing.patience(ctx)
	defer cancel()
	astray := func(c candidate) bool { return c.GetLeader() == "" }
	if err := eventually(patient, func() bool { return !slices.ContainsFunc(candidates, astray) }); err != nil {
		return footprint{}, err
	}
	if err := t.Timing.settle(ctx); err != nil {
		return footprint{}, err
	}
	began, spent := time.Now(), harness.ProcessorTime()
	if err := harness.Pause(ctx, time.Duration(t.Window)); err != nil {
		return footprint{}, err
	}
	spent = harness.ProcessorTime() - spent
	minutes := time.Since(began).Minutes()
	after := footprintNow()
	return footprint{after.Heap - before.Heap, after.Goroutines - before.Goroutines, spent.Seconds() / minutes}, nil
}

// footprintNow returns the state of this process without its garbage.
func footprintNow() footprint {
	runtime.GC() // The first one runs cleanups, which make more garbage.
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return footprint{Heap: float64(m.HeapAlloc), Goroutines: float64(runtime.NumGoroutine())}
}
