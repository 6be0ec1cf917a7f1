// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

// Command node runs operators in pods of a real node, ends their leaders in every way that Kubernetes has, and measures
// when the next one leads. See make node-test.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/client-go/tools/clientcmd"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/kube-elector/elector/test/harness"
	"github.com/kube-elector/elector/test/node/cluster"
	"github.com/kube-elector/elector/test/node/victim"
)

func main() {
	ctrl.SetLogger(logr.Discard())
	code, isEater := harness.Child(func(pid int, _ io.Reader) error { return victim.Exhaust(pid) })
	if isEater {
		os.Exit(code)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "node:", err)
		os.Exit(1)
	}
}

type options struct {
	programs   cluster.Programs
	images     string // directory of the programs in the image
	kubeconfig string
	image      string
	out        string
	count      int
	short      bool
	keep       bool
	save       string
	ifPossible bool
	chaos      time.Duration
	seed       uint64
	record     string
}

func parse(args []string) (o options, err error) {
	flags := flag.NewFlagSet("node", flag.ContinueOnError)
	flags.StringVar(&o.programs.Envtest, "envtest", "bin/envtest", "directory of kube-apiserver and etcd")
	flags.StringVar(&o.programs.Node, "node", "bin/node", "directory of kubelet and kube-controller-manager")
	flags.StringVar(&o.programs.Containerd, "containerd", "bin/node", "directory of containerd, its shim and ctr")
	flags.StringVar(&o.images, "programs", "bin/node/image", "directory of the programs that go into the image: operator, replica, pause")
	flags.StringVar(&o.kubeconfig, "kubeconfig", "", "run on this cluster instead of a node of our own")
	flags.StringVar(&o.image, "image", "", "with -kubeconfig, the name under which the cluster finds the image of make node-image")
	flags.StringVar(&o.out, "o", "", "file for the table; standard output by default")
	flags.IntVar(&o.count, "count", 1, "how often each play is played")
	flags.BoolVar(&o.short, "short", false, "play a crash, a rollout and a deletion")
	flags.BoolVar(&o.keep, "keep", false, "start the node and keep it until interrupted")
	flags.BoolVar(&o.ifPossible, "if-possible", false, "where no node can run, say so and succeed")
	flags.StringVar(&o.save, "save", "", "write the image into this file, for docker load, and do no more")
	flags.DurationVar(&o.chaos, "chaos", 0, "inject random faults for so long, and look whether anybody leads too early")
	flags.Uint64Var(&o.seed, "seed", 1, "with -chaos, of the faults")
	flags.StringVar(&o.record, "record", "bin/node/chaos.txt", "file to which -chaos adds what it has found, for the table")
	err = flags.Parse(args)
	if err == nil && flags.NArg() > 0 {
		err = fmt.Errorf("unexpected argument %q: only flags are taken", flags.Arg(0))
	}
	if (o.kubeconfig == "") != (o.image == "") {
		err = errors.Join(err, errors.New("-kubeconfig and -image: give both or neither"))
	}
	return o, err
}

func run(ctx context.Context) (err error) {
	t := &theatre{}
	if t.options, err = parse(os.Args[1:]); err != nil {
		return err
	}
	switch {
	case t.save != "":
		return cluster.SaveImage(t.save, imageName, filepath.Join(t.images, "operator"), filepath.Join(t.images, "replica"))
	case t.kubeconfig != "":
		if t.config, err = clientcmd.BuildConfigFromFlags("", t.kubeconfig); err != nil {
			return err
		}
		t.config.QPS = -1
		return t.perform(ctx)
	}
	if err := cluster.Missing(t.programs); err != nil {
		err = fmt.Errorf("NOT TESTED, as no node can be had here: %w", err)
		if t.ifPossible {
			fmt.Fprintln(os.Stderr, "node:", err)
			return nil
		}
		return err
	}
	began := time.Now()
	if t.node, err = t.start(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.node.Stop()) }()
	t.config, t.image = t.node.Config, imageName
	fmt.Fprintf(os.Stderr, "node: up after %v: export KUBECONFIG=%s\n", time.Since(began).Round(time.Second/10), t.node.Kubeconfig())
	return t.perform(ctx)
}
