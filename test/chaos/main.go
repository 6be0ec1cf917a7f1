// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/kube-elector/elector/test/harness"
)

func main() {
	if code, isReplica := replicaMain(); isReplica {
		os.Exit(code)
	}
	quiet()
	// A second signal changes nothing: all that was started has to be stopped first.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "chaos:", err)
		os.Exit(1)
	}
}

// quiet keeps client-go's own lines from this program's: what matters of them is in errors.
func quiet() {
	klog.SetLogger(logr.Discard())
	ctrl.SetLogger(logr.Discard())
}

var errFailed = errors.New("not all that must be was")

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parseFlags(args, stderr)
	if err != nil {
		return err
	}
	if o.compare {
		return compare(o.out, stdout)
	}
	assets, err := harness.Assets()
	if err != nil {
		return err
	}
	t := &theatre{peer: o.peer, assets: assets, dir: filepath.Join(o.out, o.peer), stalls: &stalls{}, keep: o.keep}
	rep, err := newReport(o)
	if err != nil {
		return err
	}
	board := newBoard(stderr)
	err = t.watched(ctx, func() error {
		end := func(one turn, r result) {
			rep.Results = append(rep.Results, r)
			board.end(one, r)
		}
		if o.duration > 0 {
			return t.soak(ctx, o.duration, rep.Seed, board.begin, end)
		}
		list := turns(o.scenarios, o.count)
		board.total = len(list)
		return t.playAll(ctx, list, board.begin, end)
	})
	board.close()
	rep.Took = time.Since(rep.Began)
	if err := errors.Join(err, rep.save(t.dir, stdout)); err != nil {
		return err
	}
	for _, r := range rep.Results {
		if r.Verdict != passed {
			return errFailed
		}
	}
	return nil
}

type choices struct {
	peer, out string
	scenarios []scenario
	count     int
	duration  time.Duration
	seed      uint64
	keep      bool
	compare   bool
}

func parseFlags(args []string, stderr io.Writer) (o choices, err error) {
	flags := flag.NewFlagSet("chaos", flag.ContinueOnError)
	flags.SetOutput(stderr)
	pattern := flags.String("scenario", "", "play only the row of this number, or those whose names match this regular expression")
	flags.IntVar(&o.count, "count", 1, "how many times to play each")
	flags.DurationVar(&o.duration, "duration", 0, "play no rows, but faults drawn at random, for so long")
	flags.Uint64Var(&o.seed, "seed", 0, "of what is drawn (default: a random one, which is printed)")
	flags.StringVar(&o.peer, "peer", ours, "what the replicas use: "+ours+", "+clientGo+" or "+controllerRuntime)
	flags.StringVar(&o.out, "o", "bin/chaos", "the directory for results and evidence")
	flags.BoolVar(&o.keep, "keep", false, "keep the evidence of what passes, too")
	flags.BoolVar(&o.compare, "compare", false, "play nothing, but set the results of all peers side by side, in Markdown")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 || o.count < 1 || o.duration < 0 {
		return o, fmt.Errorf("arguments %q, -count %d, -duration %v: there are no arguments, and no number is negative or no count", flags.Args(), o.count, o.duration)
	}
	if _, ok := peers[o.peer]; !ok {
		return o, fmt.Errorf("-peer %s: none of %s, %s, %s", o.peer, ours, clientGo, controllerRuntime)
	}
	if o.seed == 0 {
		o.seed = rand.Uint64N(1 << 32) //nolint:gosec // Not a secret.
	}
	o.scenarios, err = choose(*pattern)
	return o, err
}
