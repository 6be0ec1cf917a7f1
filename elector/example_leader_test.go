// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"

	"github.com/kube-elector/elector/elector"
	"github.com/kube-elector/elector/elector/leasetest"
)

// A follower finds the leader's address, and checks the token of a request that the leader has sent. The Lease is in
// memory here.
func ExampleElector_Leader() {
	server := leasetest.NewServer()
	replica := func(name, address string, callbacks elector.Callbacks) *elector.Elector {
		config := elector.Config{
			Enabled: true, Identity: name, LeaseName: "reporter", LeaseNamespace: "default", ReleaseOnCancel: true,
			Annotations: map[string]string{"example.com/address": address},
		}
		e, err := elector.New(&config, server.Client(name), callbacks, slog.New(slog.DiscardHandler))
		if err != nil {
			panic(err)
		}
		return e
	}
	token, told := make(chan elector.Token, 1), make(chan string, 1)
	leader := replica("pod-a", "10.0.0.1:8443", elector.Callbacks{OnStartedLeading: func(ctx context.Context) {
		term, _ := elector.TermFromContext(ctx)
		token <- term.Token
		<-ctx.Done()
	}})
	follower := replica("pod-b", "10.0.0.2:8443", elector.Callbacks{OnNewLeader: func(identity string) { told <- identity }})

	ctx, stop := context.WithCancel(context.Background())
	var group sync.WaitGroup
	group.Go(func() { _ = leader.Start(ctx) })
	shown := <-token // by a request of the leader
	group.Go(func() { _ = follower.Start(ctx) })
	<-told

	l, _ := follower.Leader()
	fmt.Println(l.Identity, "leads at", l.Annotations["example.com/address"])
	if order, err := shown.Compare(l.Token); err == nil && order < 0 {
		fmt.Println("the request is of a former leader")
	} else if order == 0 {
		fmt.Println("the request is of the leader")
	}
	stop()
	group.Wait()
	// Output:
	// pod-a leads at 10.0.0.1:8443
	// the request is of the leader
}
