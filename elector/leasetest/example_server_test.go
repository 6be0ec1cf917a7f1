// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package leasetest_test

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/kube-elector/elector/elector"
	"github.com/kube-elector/elector/elector/leasetest"
)

// candidate starts an Elector that prints when it leads. stop ends it.
func candidate(server *leasetest.Server, name string) (leads chan struct{}, stop func()) {
	leads = make(chan struct{})
	e, err := elector.New(
		&elector.Config{Enabled: true, Identity: name, LeaseName: "l", LeaseNamespace: "ns", ReleaseOnCancel: true},
		server.Client(name),
		elector.Callbacks{OnStartedLeading: func(context.Context) { fmt.Println(name, "leads"); close(leads) }},
		slog.New(slog.DiscardHandler),
	)
	if err != nil {
		panic(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- e.Start(ctx) }()
	return leads, func() {
		cancel()
		fmt.Println(name, "ended:", <-ended)
	}
}

// Two replicas in one process. The second leads when the first has stopped. A test gives testing/synctest's virtual
// time to what takes longer, such as a Lease that lapses: see TestTheCleanerCleansWhileItsReplicaLeads in this package.
func Example() {
	server := leasetest.NewServer()
	firstLeads, stopFirst := candidate(server, "first")
	<-firstLeads
	secondLeads, stopSecond := candidate(server, "second")
	stopFirst()
	<-secondLeads
	stopSecond()
	fmt.Println("the Lease's holder:", *server.Get("ns", "l").Spec.HolderIdentity)
	// Unordered output:
	// first leads
	// first ended: <nil>
	// second leads
	// second ended: <nil>
	// the Lease's holder:
}
