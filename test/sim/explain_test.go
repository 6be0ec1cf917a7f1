// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/kube-elector/elector/test/history"
)

// explain says what is wrong, and with how few of the faults it still is.
func explain(t *testing.T, p *Plan, r Result) string {
	t.Helper()
	wrong := fmt.Sprintf("a violation: replay it with make sim SEED=%d\n%v%s\n", p.Seed, p, strings.Join(text(r.Violations), "\n"))
	if *keep != "" {
		name := filepath.Join(*keep, fmt.Sprint(p.Seed, ".txt"))
		if err := os.WriteFile(name, []byte(wrong+strings.Join(tellings(r), "\n")), 0o644); err != nil {
			t.Error(err)
		}
	}
	if !*shrink {
		return wrong
	}
	names := func(r Result) (all []string) {
		for _, v := range r.Violations {
			all = append(all, v.Invariant)
		}
		return all
	}
	wanted := names(r)
	smallest := r
	shrunk := *p
	shrunk.Faults = Shrink(p.Faults, func(faults []Fault) bool {
		less := *p
		less.Faults = faults
		for range 3 { // the plan does not decide all of it
			again := run(t, &less)
			if slices.ContainsFunc(names(again), func(name string) bool { return slices.Contains(wanted, name) }) {
				smallest = again
				return true
			}
		}
		return false
	})
	kept := make([]string, 0, len(shrunk.Faults))
	for _, f := range shrunk.Faults {
		kept = append(kept, strconv.Itoa(slices.Index(p.Faults, f)))
	}
	return wrong + fmt.Sprintf("shrunk: make sim SEED=%d:%s\n%v%s\nTrace:\n%s\n", p.Seed, strings.Join(kept, ","), &shrunk,
		strings.Join(text(smallest.Violations), "\n"), trace(smallest))
}

// trace returns the history around the first violation, without renewals and looks.
func trace(r Result) string {
	if len(r.Violations) == 0 {
		return ""
	}
	at := r.Violations[0].At
	for _, v := range r.Violations {
		at = min(at, v.At)
	}
	var last []string
	for _, e := range r.History {
		if e.At > at+30*time.Second {
			break
		}
		if telling(e) || e.Kind == history.Leading && e.At > at-10*time.Second {
			last = append(last, e.String())
		}
	}
	return strings.Join(last[max(0, len(last)-80):], "\n")
}

// tellings returns the history without what goes on all the time.
func tellings(r Result) (all []string) {
	for _, e := range r.History {
		if telling(e) {
			all = append(all, e.String())
		}
	}
	return all
}

// telling leaves out what goes on all the time.
func telling(e history.Event) bool {
	switch e.Kind {
	case history.Acted, history.Requests, history.Leading:
		return false
	case history.LeaseWrite:
		return e.Replica == "" || e.Before.Holder != e.After.Holder || e.Before.Transitions != e.After.Transitions
	}
	return true
}

func text(violations []history.Violation) (all []string) {
	for _, v := range violations {
		all = append(all, v.String())
	}
	return all[:min(len(all), 20)]
}
