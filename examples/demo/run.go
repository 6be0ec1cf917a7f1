// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"github.com/kube-elector/elector/elector"
)

// wantChanges is how many changes of leader the play makes.
const wantChanges = 4

// run runs the program. When it returns, nothing that it started is left.
func run(ctx context.Context, args []string, out io.Writer) error {
	o, err := parseOptions(args, out)
	if err != nil {
		return err
	}
	if err := prepare(o); err != nil {
		return err
	}
	var names []string
	for i := range o.replicas {
		names = append(names, string(rune('a'+i)))
	}
	b := newBoard(names)
	if o.shards > 0 {
		b.sharing = &sharing{holders: make([]string, o.shards)}
	}
	v := newView(out, b, o.renewDeadline)
	w := &witness{board: b, flashes: map[string]int64{}, tokens: map[string]elector.Token{}}
	err = perform(ctx, o, b, w, names)
	v.close()
	if err != nil {
		return fmt.Errorf("%w (all that was started has been stopped; logs are in %s)", err, o.out)
	}
	return summarise(out, o, b, w)
}

// prepare refuses early what would fail late, and makes the directory.
func prepare(o options) error {
	if o.kubeconfig == "" {
		if err := checkAssets(); err != nil {
			return err
		}
	}
	if err := checkPorts(o); err != nil {
		return err
	}
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return fmt.Errorf("--out: %w", err)
	}
	old, err := filepath.Glob(filepath.Join(o.out, replicaLog("?")))
	if err != nil {
		return err
	}
	for _, log := range old {
		if err := os.Remove(log); err != nil {
			return fmt.Errorf("--out: %w", err)
		}
	}
	return nil
}

// perform does all that needs processes.
func perform(ctx context.Context, o options, b *board, w *witness, names []string) (err error) {
	defer context.AfterFunc(ctx, func() { b.say("stopping: %v", context.Cause(ctx)) })()
	if o.kubeconfig == "" {
		b.say("starting kube-apiserver and etcd")
	}
	c, err := openCluster(ctx, o)
	if err != nil {
		return err
	}
	defer func() {
		b.say("cleaning up")
		err = errors.Join(err, c.close())
	}()
	b.say("Kubernetes %s, namespace %s, %d Beacons", c.version, c.namespace, o.objects)
	b.say("to look in: kubectl --kubeconfig %s -n %s get beacons -w", shellWord(c.kubeconfig), c.namespace)
	b.say("building examples/operator")
	operator, err := buildOperator(ctx, o.out)
	if err != nil {
		return err
	}
	playing, stopPlaying := context.WithCancelCause(ctx)
	defer stopPlaying(nil)
	s := &show{
		options: o, board: b, cluster: c, operator: operator, names: names, playing: playing,
		replicas: map[string]*replica{}, pods: map[string]*pod{},
	}
	watching, stopWatching := context.WithCancel(ctx)
	var watched sync.WaitGroup
	watched.Go(func() { w.attend(watching, c) })
	if o.shards > 0 {
		err = s.share(ctx)
	} else {
		err = s.play(ctx)
	}
	b.end()
	stopPlaying(errPlayOver)
	stopWatching()
	watched.Wait()
	grace := stopLimit
	if err != nil {
		grace = 0
	}
	return errors.Join(err, s.end(grace))
}

// summarise writes the table and the pictures, and returns an error if what was seen must not be.
func summarise(out io.Writer, o options, b *board, w *witness) error {
	history, end := b.played()
	setting := fmt.Sprintf("%d replicas, %d Beacons. Lease duration %v, renew deadline %v, retry period %v.",
		o.replicas, o.objects, o.leaseDuration, o.renewDeadline, o.retryPeriod)
	if s := b.sharing; s != nil {
		setting = fmt.Sprintf("%d shards, ", o.shards) + setting
		p := page{Title: "Who held what", Measured: measuredShards}
		p.Header, p.Rows = s.table()
		return p.publish(out, o.out, "shards.svg.tmpl", s.draw(p.Title, setting, b.names(), end), setting, w)
	}
	found, err := changes(history)
	if err == nil && len(found) < wantChanges { // More are a leader that has lost its lease, on a busy machine.
		err = fmt.Errorf("there were %d changes of leader instead of %d", len(found), wantChanges)
	}
	p := page{Title: "Who led when", Measured: measured}
	p.Header, p.Rows = table(found)
	return errors.Join(err, p.publish(out, o.out, "timeline.svg.tmpl", newTimeline(history, end).draw(p.Title, setting), setting, w))
}
