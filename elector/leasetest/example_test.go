// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package leasetest_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kube-elector/elector/elector"
	"github.com/kube-elector/elector/elector/leasetest"
)

// cleaner is what a user has written. It cleans up once a minute, while its replica leads.
type cleaner struct {
	cleanings int
	whyEnded  error
}

// lead implements the OnStartedLeading callback.
func (c *cleaner) lead(ctx context.Context) {
	for {
		select {
		case <-time.After(time.Minute):
			c.cleanings++
		case <-ctx.Done():
			c.whyEnded = context.Cause(ctx)
			return
		}
	}
}

// replica makes the Elector of one replica of the user's program, as its main function does, but with a leasetest
// client.
func replica(t *testing.T, server *leasetest.Server, name string, c *cleaner) *elector.Elector {
	t.Helper()
	e, err := elector.New(
		&elector.Config{Enabled: true, Identity: name, LeaseName: "cleaner", LeaseNamespace: "ns", ReleaseOnCancel: true},
		server.Client(name),
		elector.Callbacks{OnStartedLeading: c.lead},
		slog.New(slog.DiscardHandler),
	)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// pass lets virtual time pass. synctest.Wait returns when everything has happened that can happen without more of it.
// Then the test may look at what was done.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// How to test what depends on leadership. In the virtual time of a testing/synctest bubble minutes pass at once, and to
// the nanosecond.
func TestTheCleanerCleansWhileItsReplicaLeads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, work := leasetest.NewServer(), &cleaner{}
		e := replica(t, server, "one", work)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- e.Start(ctx) }()

		// It becomes the leader.
		pass(10*time.Minute + time.Second)
		if !e.IsLeader() || work.cleanings != 10 {
			t.Errorf("leads: %t, %d cleanings in 10 minutes", e.IsLeader(), work.cleanings)
		}

		// It loses the leadership, since the network is cut.
		server.Client("one").Partition()
		pass(elector.DefaultRenewDeadline)
		if e.IsLeader() || !errors.Is(work.whyEnded, elector.ErrLeaseExpired) {
			t.Errorf("leads: %t, the work ended with %v", e.IsLeader(), work.whyEnded)
		}
		pass(10 * time.Minute)
		if work.cleanings != 10 {
			t.Error("cleaned up while another replica may lead")
		}

		// It leads again.
		server.Client("one").Heal()
		pass(2 * time.Minute)
		if !e.IsLeader() || work.cleanings == 10 {
			t.Error("did not clean up after the network had come back")
		}

		// It is stopped.
		stop()
		if err := <-ended; err != nil || !errors.Is(work.whyEnded, elector.ErrStopped) {
			t.Errorf("Start returned %v, the work ended with %v", err, work.whyEnded)
		}
	})
}
