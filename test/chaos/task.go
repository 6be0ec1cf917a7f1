// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/signal"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/google/uuid"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/kube-elector/elector/manager"
	"github.com/kube-elector/elector/test/harness"
)

// timing is that of the Lease.
type timing struct {
	LeaseDuration, RenewDeadline, RetryPeriod time.Duration
}

var (
	// defaults are Kubernetes' own, which the durations of the faults are about.
	defaults = timing{15 * time.Second, 10 * time.Second, 2 * time.Second}
	// quick has everything happen five times as fast.
	quick = timing{3 * time.Second, 2 * time.Second, 400 * time.Millisecond}
)

// scale is a duration of a run at the defaults as it is at this timing.
func (t timing) scale(d time.Duration) time.Duration {
	return time.Duration(float64(d) * float64(t.LeaseDuration) / float64(defaults.LeaseDuration))
}

// survives is how long an outage may last that no leader notices.
func (t timing) survives() time.Duration { return t.RenewDeadline - t.RetryPeriod }

// task is what a replica is told.
type task struct {
	Peer      string
	Name      string // of the process
	Identity  string // "": the default
	Host      string // of the API server, by way of the link
	CAFile    string
	TokenFile string
	Namespace string
	Register  string // address
	Timing    timing
	behaviour
}

// behaviour is what makes a replica differ from others.
type behaviour struct {
	Drain    time.Duration // how long stopping work is waited for; default 30 s
	Slow     time.Duration // how long the work takes to stop
	Deaf     bool          // the work does not stop, and goes on writing
	Wedged   bool          // a reconcile does not stop, and goes on writing
	OneLine  bool          // an operator that is moved over by one line: a controller and nothing else
	Cloned   bool          // random numbers are those of the other clones
	Panics   bool          // the work does
	Early    bool          // the work returns at once
	Spinners int           // goroutines that compute all the time, on one processor
	Hammers  int           // goroutines that read, by a client of one request a second that the election's is made from
}

const leaseName = "chaos"

// hangSignal makes a replica's requests about the Lease hang.
const hangSignal = syscall.SIGUSR1

func (t task) config() *rest.Config {
	cfg := &rest.Config{Host: t.Host, BearerTokenFile: t.TokenFile, QPS: 100, Burst: 100}
	cfg.CAFile = t.CAFile
	if t.Hammers > 0 {
		cfg.QPS, cfg.Burst = 1, 1
	}
	return cfg
}

// replicaMain runs a replica if this process is one. Both this program and its test binary begin with it.
func replicaMain() (code int, isReplica bool) {
	return harness.Child(func(t task, in io.Reader) error {
		logger := slog.New(slog.NewTextHandler(os.Stderr, nil))
		ctrl.SetLogger(manager.NewLogr(logger))
		klog.SetSlogLogger(logger)
		ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		defer cancel()
		return replicaRun(ctx, t, in, logger)
	})
}

// replicaRun reports events on standard output and logs to standard error.
func replicaRun(ctx context.Context, t task, in io.Reader, logger *slog.Logger) error {
	run, ok := peers[t.Peer]
	if !ok {
		return fmt.Errorf("no such peer: %q", t.Peer)
	}
	if t.Cloned {
		uuid.SetRand(rand.NewChaCha8([32]byte{}))
	}
	r := &reporter{out: json.NewEncoder(os.Stdout), requests: map[string]int{}}
	hang := make(chan os.Signal, 1)
	signal.Notify(hang, hangSignal)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var helpers sync.WaitGroup
	over, stopped := context.WithCancel(context.Background())
	defer helpers.Wait()
	defer stopped()
	go func() { // Standard input's end is the process's: nobody waits for this.
		harness.AwaitEnd(in)
		os.Exit(1)
	}()
	helpers.Go(func() {
		select {
		case <-ctx.Done():
			r.report(occurrence{Kind: stopping})
		case <-over.Done():
		}
	})
	helpers.Go(func() {
		select {
		case <-hang:
			r.hangs.Store(true)
		case <-over.Done():
		}
	})
	w := &work{task: t, reporter: r}
	helpers.Go(func() { w.look(over) })
	w.spin(over, &helpers)
	cfg := t.config()
	cfg.Wrap(r.counting)
	err := run(ctx, cfg, w, logger)
	detail := ""
	if err != nil {
		detail = err.Error()
	}
	r.usage()
	r.report(occurrence{Kind: done, Detail: detail})
	return err
}

// spin starves the process of processor time.
func (w *work) spin(ctx context.Context, group *sync.WaitGroup) {
	if w.task.Spinners > 0 {
		runtime.GOMAXPROCS(1)
	}
	for range w.task.Spinners {
		group.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				_ = n * n
			}
		})
	}
}
