// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/kube-elector/elector/test/harness"
)

// measurement is one of the things that can be measured by itself.
type measurement struct {
	name, title string
	run         func(context.Context, *bench) ([]result, error)
	chart       bool // of its first unit
}

// measurements are in the order in which they are made and shown.
var measurements = []measurement{
	{"handover", "Clean hand-over", measureHandOver, true},
	{"reconcile", "Clean hand-over of an operator", measureReconcile, false},
	{"rolling", "Rolling update", measureRolling, true},
	{"cutoff", "The leader is cut off", measureCutOff, true},
	{"stolen", "The Lease is taken or deleted", measureStolen, true},
	{"requests", "Requests in the steady state", measureRequests, true},
	{"rates", "Requests and log lines in faults that last", measureRates, false},
	{"idle", "What an idle candidate costs its process", measureIdle, false},
}

// bench is what the measurements of one run share.
type bench struct {
	sizes
	plane     *harness.ControlPlane
	namespace string
	names     atomic.Int64

	mu       sync.Mutex // guards progress
	progress io.Writer
}

func (b *bench) say(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	fmt.Fprintf(b.progress, format+"\n", args...)
}

// name makes up a name that nothing else in this run has.
func (b *bench) name(kind string) string { return fmt.Sprintf("%s-%d", kind, b.names.Add(1)) }

// runBench makes the chosen measurements on a control plane of its own. It returns what there is beside an error.
func runBench(ctx context.Context, chosen []measurement, sizes sizes, progress io.Writer) (_ *report, err error) {
	plane, stop, err := startPlane(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	b := &bench{sizes: sizes, plane: plane, namespace: "bench", progress: progress}
	_, err = plane.Admin.CoreV1().Namespaces().Create(ctx,
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: b.namespace}}, metav1.CreateOptions{})
	if err != nil {
		return nil, err
	}
	r := &report{Started: time.Now(), Machine: thisMachine(), Timing: b.timing, Measurements: make([]measured, len(chosen))}
	if r.Versions, err = versions(ctx, plane); err != nil {
		return nil, err
	}
	var group errgroup.Group
	group.SetLimit(1)
	if b.atOnce {
		group.SetLimit(-1)
	}
	for i, m := range chosen {
		group.Go(func() error {
			r.Measurements[i] = b.measure(ctx, m)
			return nil
		})
	}
	_ = group.Wait() // The errors stand in the report.
	for _, m := range r.Measurements {
		if m.Error != "" {
			err = errors.Join(err, fmt.Errorf("%s: %s", m.Name, m.Error))
		}
	}
	return r, err
}

// startPlane starts the one control plane of a run. stop removes all that it has written, too.
func startPlane(ctx context.Context) (plane *harness.ControlPlane, stop func() error, err error) {
	assets, err := harness.Assets()
	if err != nil {
		return nil, nil, err
	}
	ctrl.SetLogger(logr.Discard())
	klog.SetLogger(logr.Discard()) // Managers that stop complain of Events they could not write.
	dir, err := os.MkdirTemp("", "bench-")
	if err != nil {
		return nil, nil, err
	}
	if plane, err = harness.StartControlPlane(ctx, assets, dir, harness.WithoutServiceAccounts); err != nil {
		return nil, nil, errors.Join(err, os.RemoveAll(dir))
	}
	plane.Config.Timeout = 0 // It would end watches.
	return plane, func() error { return errors.Join(plane.Stop(), os.RemoveAll(dir)) }, nil
}

func (b *bench) measure(ctx context.Context, m measurement) measured {
	b.say("%s …", m.name)
	done := measured{Name: m.name, Title: m.title, Started: time.Now(), Load: [2]string{loadAverage(), ""}}
	var err error
	if done.Results, err = m.run(ctx, b); err != nil {
		done.Error = err.Error()
	}
	done.Took = duration(time.Since(done.Started).Round(time.Second))
	done.Load[1] = loadAverage()
	b.say("%s: %v, load %s → %s", m.name, done.Took, done.Load[0], done.Load[1])
	return done
}

// inLanes runs n lanes at once. What they return is concatenated in the order of lanes.
func inLanes[T any](ctx context.Context, n int, lane func(ctx context.Context) ([]T, error)) ([]T, error) {
	group, ctx := errgroup.WithContext(ctx)
	outcomes := make([][]T, n)
	for i := range n {
		group.Go(func() (err error) {
			outcomes[i], err = lane(ctx)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	var all []T
	for _, o := range outcomes {
		all = append(all, o...)
	}
	return all, nil
}

// seriesOf returns one series for each subject, with one sample of every row.
func seriesOf[T any](subjects []subject, rows []map[string]T, of func(T) sample) (all []series) {
	for _, s := range subjects {
		all = append(all, series{s.name, column(rows, func(row map[string]T) sample { return of(row[s.name]) })})
	}
	return all
}

// column takes one sample of every row.
func column[T any](rows []T, of func(T) sample) []sample {
	samples := make([]sample, len(rows))
	for i, row := range rows {
		samples[i] = of(row)
	}
	return samples
}

// sideBySide measures subjects at the same time. It returns one row of the results, by subject.
func sideBySide[T any](ctx context.Context, subjects []subject, measure func(context.Context, subject) (T, error)) ([]map[string]T, error) {
	group, ctx := errgroup.WithContext(ctx)
	outcomes := make([]T, len(subjects))
	for i, s := range subjects {
		group.Go(func() (err error) {
			outcomes[i], err = measure(ctx, s)
			return err
		})
	}
	err := group.Wait()
	row := map[string]T{}
	for i, s := range subjects {
		row[s.name] = outcomes[i]
	}
	return []map[string]T{row}, err
}
