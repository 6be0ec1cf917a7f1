// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

// Command demo runs replicas of examples/operator, as processes, on a real API server. It stops, kills and freezes the
// leader, once as if its node had gone, and measures how long it takes until another leads.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	ctrl "sigs.k8s.io/controller-runtime"
)

// errOrphaned is why the demo ends when `go run`, which does not pass SIGTERM on, has gone.
var errOrphaned = errors.New("the process that started it has gone")

func main() {
	ctrl.SetLogger(logr.Discard())
	if len(os.Args) == 3 && os.Args[1] == controlPlaneCommand {
		if err := serveControlPlane(os.Args[2]); err != nil {
			fmt.Println(err) // The demo reads it.
			os.Exit(1)
		}
		return
	}
	// A second signal changes nothing, since everything that was started must be stopped first. SIGPIPE comes from `|
	// head`.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE)
	defer stop()
	ctx, cancel := context.WithCancelCause(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		watchParent(ctx, cancel)
	}()
	err := run(ctx, os.Args[1:], os.Stdout)
	cancel(nil)
	<-watched
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// watchParent cancels the context when the parent has gone.
func watchParent(ctx context.Context, cancel context.CancelCauseFunc) {
	parent := os.Getppid()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if os.Getppid() != parent {
				cancel(errOrphaned)
				return
			}
		}
	}
}
