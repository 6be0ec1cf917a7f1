// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"

	"github.com/kube-elector/elector/elector"
	"github.com/kube-elector/elector/elector/leasetest"
)

// writer is an HTTP handler that does the leader's work, outside OnStartedLeading.
type writer struct {
	elector *elector.Elector
	began   chan struct{}
	goOn    chan struct{}
}

// ServeHTTP keeps the Lease from being released to another replica beside the work, and does no more than the term has
// time for.
func (w *writer) ServeHTTP(response http.ResponseWriter, request *http.Request) {
	term, _ := w.elector.Term()
	release, ok := term.Hold()
	if !ok {
		http.Error(response, "not the leader, try "+w.elector.GetLeader(), http.StatusServiceUnavailable)
		return
	}
	defer release()
	ctx, cancel := context.WithTimeout(request.Context(), term.Remaining())
	defer cancel()
	w.work(ctx)
}

func (w *writer) work(ctx context.Context) {
	close(w.began)
	select {
	case <-w.goOn:
		fmt.Println("the handler has done its work")
	case <-ctx.Done():
		fmt.Println(context.Cause(ctx))
	}
}

// An HTTP handler that writes as the leader. The replica is stopped meanwhile, and hands over when the handler is done.
func ExampleTerm_Hold() {
	clientset := leasetest.NewServer().Client("a") // NewClientset, in a cluster
	config := elector.Config{Enabled: true, LeaseName: "writer", LeaseNamespace: "default", ReleaseOnCancel: true}
	leading := make(chan struct{})
	e, err := elector.New(&config, clientset, elector.Callbacks{OnStartedLeading: func(context.Context) { close(leading) }},
		slog.New(slog.DiscardHandler))
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- e.Start(ctx) }()
	<-leading

	w := &writer{elector: e, began: make(chan struct{}), goOn: make(chan struct{})}
	served := make(chan struct{})
	go func() {
		defer close(served)
		w.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(context.Background(), http.MethodPost, "/", nil))
	}()
	<-w.began
	stop()
	close(w.goOn)
	<-served
	if err := <-ended; err == nil {
		fmt.Println("the Lease has been released")
	}
	// Output:
	// the handler has done its work
	// the Lease has been released
}
