// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/kube-elector/elector/elector"
)

// coldMule has a warm-up that does not listen to its context.
type coldMule struct{ stubborn }

func (m *coldMule) Start(context.Context) error { return nil }

func (m *coldMule) Warmup(context.Context) error { <-m.release; return nil }

func TestWarmUpThatHangsWhenTheGateStopsIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mule := &coldMule{stubborn{release: make(chan struct{})}}
		g := NewGate(quiet)
		mustAdd(t, g, mule)
		start := begin(g.Start)
		term := beginTerm(g.Callbacks(elector.Callbacks{}))
		synctest.Wait()
		if got := g.Running(); len(got) != 0 {
			t.Errorf("running: %q in a term whose work has returned", got)
		}
		start.stop()
		synctest.Wait()
		if got, want := g.Running(), []string{"warm-up of *manager.coldMule"}; !slices.Equal(got, want) {
			t.Errorf("running: %q, want %q", got, want)
		}
		close(mule.release)
		term.end(elector.ErrStopped)
		if got := g.Running(); len(got) != 0 {
			t.Errorf("running: %q after all has returned", got)
		}
		if err := start.wait(); err != nil {
			t.Fatal(err)
		}
	})
}
