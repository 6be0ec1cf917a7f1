// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/kube-elector/elector/test/harness"
)

// figures returns n, and the median, the 99th percentile and the most of the durations that are not 0.
func figures(samples []sample, of func(sample) time.Duration) string {
	var all []time.Duration
	for _, s := range samples {
		if d := of(s); d > 0 {
			all = append(all, d)
		}
	}
	if len(all) == 0 {
		return "–"
	}
	slices.Sort(all)
	at := func(percent int) time.Duration { return all[(len(all)*percent+99)/100-1].Round(time.Millisecond) }
	return fmt.Sprintf("%v, %v, %v", at(50), at(99), at(100))
}

// publish writes the table.
func (t *theatre) publish(ctx context.Context, began time.Time) error {
	var out bytes.Buffer
	versions, err := harness.Versions()
	if err != nil {
		return err
	}
	node, err := t.nodeVersion(ctx)
	if err != nil {
		return err
	}
	fmt.Fprint(&out, "<!-- SPDX-FileCopyrightText: The elector Authors -->\n<!-- SPDX-License-Identifier: Apache-2.0 -->\n\n"+
		"# Leaders that end on a real node\n\n")
	fmt.Fprintf(&out, "`node %s` wrote this. It began %s and took %v, on %s/%s, %d processors. %s. Go %s. elector %s. client-go %s. controller-runtime %s.\n\n",
		strings.Join(os.Args[1:], " "), began.UTC().Format("2006-01-02 15:04 MST"), time.Since(began).Round(time.Second), runtime.GOOS, runtime.GOARCH,
		runtime.NumCPU(), node, versions["Go"], versions[harness.Ours], versions["k8s.io/client-go"], versions["sigs.k8s.io/controller-runtime"])
	fmt.Fprint(&out, explanation)
	fmt.Fprint(&out, "| play | operator | n | nobody led | status → leads | leads → reconciles | restart → leads | terms | warnings, errors |\n"+
		"| --- | --- | --- | --- | --- | --- | --- | --- | --- |\n")
	slices.SortStableFunc(t.results, func(a, b result) int { return cmp.Compare(place(a), place(b)) })
	for _, r := range t.results {
		terms, troubles := 0, 0
		for _, s := range r.Samples {
			terms += s.Leaders
			troubles += len(s.Troubles)
		}
		fmt.Fprintf(&out, "| %s | %s | %d | %s | %s | %s | %s | %d | %d |\n", r.Play, r.Subject, len(r.Samples),
			figures(r.Samples, func(s sample) time.Duration { return s.Gap }), figures(r.Samples, func(s sample) time.Duration { return s.Visible }),
			figures(r.Samples, func(s sample) time.Duration { return s.Worked }), figures(r.Samples, func(s sample) time.Duration { return s.Restart }), terms, troubles)
	}
	if chaos, err := os.ReadFile(t.record); err == nil {
		fmt.Fprintf(&out, "%s%s", neverEarly, chaos)
	}
	if t.out == "" {
		_, err := os.Stdout.Write(out.Bytes())
		return err
	}
	return os.WriteFile(t.out, out.Bytes(), 0o644)
}

const explanation = `Each operator has three replicas unless its name says otherwise, at LeaseDuration 15 s, RenewDeadline 10 s and
RetryPeriod 2 s. Each crash is the first one of a fresh pod. Durations are the median, the 99th
percentile and the most. *Nobody led* counts from the death of the leader's process to the next
OnStartedLeading, and without a crash from the return of the leader's work. *Status → leads* counts
from when a watcher of the Pod saw that the container has ended. *Restart → leads* counts from the
beginning of the restarted process. The last two columns are of all replicas and all n together.

`

const neverEarly = `
## Never early

In each run up to three faults interfere with a leader or with what the node says of it. With ` + "`-chaos`" + ` the
command counts how the runs ended. A process that died in a run was not always taken over within it.

`

// place orders results by their plays.
func place(r result) int {
	return slices.IndexFunc(slices.Concat(crashes, departures, outages), func(p play) bool { return p.name == r.Play })
}

// judge returns an error if a play was worse than a user could believe to be right, on a machine with much other work.
func (t *theatre) judge() error {
	var faults []error
	for _, r := range t.results {
		limit := time.Second
		if r.Play == crashes[0].name {
			limit = 4 * time.Second // It would be 13 s and more.
		}
		for _, s := range r.Samples {
			if s.Gap > limit || s.Leaders == 0 {
				faults = append(faults, fmt.Errorf("%s: nobody led for %v, and %d terms began: must be at most %v, and one at least", r.Play, s.Gap, s.Leaders, limit))
			}
			if r.Play != crashes[0].name && len(s.Troubles) > 0 {
				faults = append(faults, fmt.Errorf("%s: logged\n%s", r.Play, strings.Join(s.Troubles, "\n")))
			}
		}
	}
	return errors.Join(faults...)
}
