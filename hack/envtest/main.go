// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

// Command envtest puts the kube-apiserver and etcd that the tests and the demo run into one directory. It builds them
// from the Go modules pinned in kube/go.mod and etcd/go.mod, unless KUBEBUILDER_ASSETS names a directory that has them,
// or ENVTEST_DOWNLOAD=1 asks for the published binaries. With -node it builds what a node needs instead, of the same
// release of Kubernetes. Run it in its own directory, with
//
//	go run -C hack/envtest .
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/term"
)

// errOrphaned is the cause when the work stops because `go run`, which does not pass SIGTERM on, has ended.
var errOrphaned = errors.New("the process that started it has gone")

func main() {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // Under nohup it goes on.
		signals = append(signals, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), signals...)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "envtest:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	out := flag.String("out", filepath.FromSlash("../../bin/envtest"), "directory for the binaries")
	asked := flag.String("kubernetes", "", "Kubernetes release to build, such as 1.35.8 or 1.35; empty for the pinned one")
	node := flag.Bool("node", false, "build what a node needs instead: kubelet, kube-controller-manager and containerd")
	flag.Parse()
	if flag.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q: only flags are taken", flag.Arg(0))
	}
	wanted := recipes
	if *node {
		wanted = nodeRecipes
	}
	if dir := os.Getenv("KUBEBUILDER_ASSETS"); dir != "" && !*node {
		if err := checkAssets(dir); err != nil {
			return err
		}
		fmt.Fprintf(os.Stderr, "envtest: using KUBEBUILDER_ASSETS=%s\n", dir)
		return nil
	}
	download, err := downloadWanted(os.Getenv("ENVTEST_DOWNLOAD"))
	if err != nil {
		return err
	}
	dir, err := filepath.Abs(*out)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	orphaned := make(chan struct{})
	go func() {
		defer close(orphaned)
		watchParent(ctx, cancel)
	}()
	defer func() {
		cancel(nil)
		<-orphaned
	}()
	show := newDisplay(os.Stderr, terminalWidth())
	defer show.close()
	err = ensure(ctx, wanted, dir, download && !*node, *asked, show)
	if ctx.Err() != nil {
		return fmt.Errorf("stopped, nothing half-made is left in %s: %w", dir, context.Cause(ctx))
	}
	return err
}

func downloadWanted(value string) (bool, error) {
	if value == "" {
		return false, nil
	}
	wanted, err := strconv.ParseBool(value)
	if err != nil {
		return false, fmt.Errorf("ENVTEST_DOWNLOAD is %q: must be 1 or 0", value)
	}
	return wanted, nil
}

// watchParent cancels the work when this process loses its parent.
func watchParent(ctx context.Context, cancel context.CancelCauseFunc) {
	parent := os.Getppid()
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if os.Getppid() != parent {
				cancel(errOrphaned)
			}
		}
	}
}

// terminalWidth returns a function that returns the columns of standard error. It returns nil if standard error is not
// a terminal that can show a live line.
func terminalWidth() func() int {
	fd := int(os.Stderr.Fd())
	if !term.IsTerminal(fd) || os.Getenv("TERM") == "dumb" {
		return nil
	}
	return func() int {
		width, _, err := term.GetSize(fd)
		if err != nil || width <= 0 {
			return 80
		}
		return width
	}
}
