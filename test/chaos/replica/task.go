// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

// Package replica runs a replica of chaos in a process of its own. The process gets a [Task], runs the peer that the
// task names with a leader's work, and reports events.
package replica

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
	"github.com/kube-elector/elector/test/chaos/event"
	"github.com/kube-elector/elector/test/harness"
)

// A Task says what a process of a replica does.
type Task struct {
	Peer      string
	Name      string // of the process
	Identity  string // "": the default
	Host      string // of the API server, by way of the link
	CAFile    string
	TokenFile string
	Namespace string
	Register  string // its address
	Timing    harness.Timing
	Behaviour
}

// A Behaviour is what makes a replica differ from others.
type Behaviour struct {
	Drain    time.Duration // how long to wait for work to stop; default 30 s
	Slow     time.Duration // how long the work takes to stop
	Deaf     bool          // the work does not stop, and goes on writing
	Wedged   bool          // a reconcile does not stop, and goes on writing
	OneLine  bool          // an operator with one changed line: it has a controller and nothing else
	Shards   int           // into which the requests are divided; 0: the leader has all
	Cloned   bool          // its random numbers are those of the other clones
	Panics   bool          // the work panics
	Early    bool          // the work returns at once
	Spinners int           // goroutines that compute all the time, on one processor
	Hammers  int           // goroutines that read, through a client whose configuration allows one request a second
}

// LeaseName is the name of the Lease.
const LeaseName = "chaos"

// Signals to a process.
const (
	HangSignal     = syscall.SIGUSR1 // makes its requests about the Lease hang
	StepDownSignal = syscall.SIGUSR2 // makes it step down, if its peer can do that
)

func (t Task) candidate() harness.Candidate {
	return harness.Candidate{Namespace: t.Namespace, Lease: LeaseName, Identity: t.Identity, Timing: t.Timing}
}

func (t Task) config() *rest.Config {
	cfg := &rest.Config{Host: t.Host, BearerTokenFile: t.TokenFile, QPS: 100, Burst: 100}
	cfg.CAFile = t.CAFile
	if t.Hammers > 0 {
		cfg.QPS, cfg.Burst = 1, 1
	}
	return cfg
}

// Main runs a replica if this process is one. Programs and their TestMain call it first.
func Main() (code int, isReplica bool) {
	return harness.Child(func(t Task, in io.Reader) error {
		logger := slog.New(slog.NewTextHandler(os.Stderr, nil))
		ctrl.SetLogger(manager.NewLogr(logger))
		klog.SetSlogLogger(logger)
		ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		defer cancel()
		return run(ctx, t, in, logger)
	})
}

// run reports events on standard output and logs to standard error.
func run(ctx context.Context, t Task, in io.Reader, logger *slog.Logger) error {
	peer, ok := peers[t.Peer]
	if !ok {
		return fmt.Errorf("no such peer: %q", t.Peer)
	}
	if t.Cloned {
		uuid.SetRand(rand.NewChaCha8([32]byte{}))
	}
	r := &reporter{out: json.NewEncoder(os.Stdout), requests: map[string]int{}}
	hang := make(chan os.Signal, 1)
	signal.Notify(hang, HangSignal)
	leave := make(chan os.Signal, 1)
	signal.Notify(leave, StepDownSignal)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var helpers sync.WaitGroup
	over, stopped := context.WithCancel(context.Background())
	defer helpers.Wait()
	defer stopped()
	go func() { // The process ends here, so nothing waits for this.
		harness.AwaitEnd(in)
		os.Exit(1)
	}()
	helpers.Go(func() {
		select {
		case <-ctx.Done():
			r.report(event.Event{Kind: event.Stopping})
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
	helpers.Go(func() {
		for {
			select {
			case <-leave:
				w.leave(over)
			case <-over.Done():
				return
			}
		}
	})
	w.spin(over, &helpers)
	cfg := t.config()
	cfg.Wrap(r.counting)
	err := peer(ctx, cfg, w, logger)
	done := event.Event{Kind: event.Done}
	if err != nil {
		done.Detail = err.Error()
	}
	r.usage()
	r.report(done)
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
