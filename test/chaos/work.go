// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/kube-elector/elector/elector"
	"github.com/kube-elector/elector/manager"
	"github.com/kube-elector/elector/test/harness"
)

const (
	lookEvery  = 10 * time.Millisecond  // for how long this process has not run
	leap       = 250 * time.Millisecond // not to have run for so long is to have been frozen
	writeEvery = 25 * time.Millisecond  // to the register
	patchEvery = 200 * time.Millisecond // to the API server
	configMap  = "work"                 // what is patched
)

// work is what a replica does. A leader writes to the register without a token and, if it has one, with its token; and
// to the API server. It goes on until its context ends, and then tries once more, as a writer that was about to write.
type work struct {
	*reporter
	task task

	mutex   sync.Mutex // guards leading
	leading func() bool

	begun, led atomic.Bool // OnStartedLeading has been called; and the work with it
}

// callbacks report a term's end. Its beginning is reported by the work: if that was never begun, because the term was
// over first, the callbacks were a pair that nobody need know of.
func (w *work) callbacks() elector.Callbacks {
	return elector.Callbacks{
		OnStartedLeading: func(context.Context) { w.begun.Store(true) },
		OnStoppedLeading: func() {
			if begun, led := w.begun.Swap(false), w.led.Swap(false); led || !begun {
				w.report(occurrence{Kind: stopped})
			}
		},
	}
}

// look reports pauses of the process, and now and then what it uses.
func (w *work) look(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	last := time.Now()
	counted := last
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := time.Now()
		if now.Sub(last) > leap {
			w.report(occurrence{At: now, Kind: woke, Detail: fmt.Sprint(w.believes())})
		}
		last = now
		if now.Sub(counted) > time.Second/4 {
			counted = now
			w.usage()
		}
	}
}

// believes reports whether this replica believes itself the leader.
func (w *work) believes() bool {
	w.mutex.Lock()
	f := w.leading
	w.mutex.Unlock()
	return f != nil && f()
}

func (w *work) believe(f func() bool) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.leading = f
}

// lead is the leader's work, for as long as ctx lasts and then as long as it takes to stop.
func (w *work) lead(ctx context.Context, do patcher) {
	term, _ := elector.TermFromContext(ctx)
	token := string(term.Token)
	w.led.Store(true)
	w.report(occurrence{Kind: leads, Token: token})
	if w.task.Panics {
		panic("chaos: the work panics")
	}
	var group sync.WaitGroup
	done, stopped := context.WithCancel(context.WithoutCancel(ctx))
	group.Go(func() { w.write(ctx, done, "") })
	if token != "" {
		group.Go(func() { w.write(ctx, done, token) })
	}
	<-ctx.Done()
	w.report(occurrence{Kind: told, Token: token, Detail: context.Cause(ctx).Error()})
	w.straggle(ctx, do)
	if w.task.Deaf {
		select {}
	}
	_ = harness.Pause(context.Background(), w.task.Slow)
	stopped()
	group.Wait()
	w.report(occurrence{Kind: returns, Token: token})
}

// straggle is a write to the API server that was on its way when the term ended.
func (w *work) straggle(ctx context.Context, do patcher) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = w.patch(ctx, do) // What became of it has been reported.
}

// early is work that returns at once. The term's end is still worth knowing.
func (w *work) early(ctx context.Context, over func()) {
	term, _ := elector.TermFromContext(ctx)
	w.report(occurrence{Kind: leads, Token: string(term.Token)})
	go func() { // ends with the term, or the process
		<-ctx.Done()
		w.report(occurrence{Kind: told, Token: string(term.Token), Detail: context.Cause(ctx).Error()})
		over()
	}()
}

// write writes to the register while the term lasts, or while the work is slow to stop until that is done; and then, with
// a token, once more, as a writer that was about to.
func (w *work) write(ctx, done context.Context, token string) {
	c, err := dialRegister(done, w.task.Register)
	if err != nil {
		return // The harness has gone.
	}
	defer c.close()
	tick := time.NewTicker(writeEvery)
	defer tick.Stop()
	for {
		select {
		case <-done.Done():
		case <-tick.C:
		}
		switch ended := ctx.Err() != nil; {
		case done.Err() != nil || ended && w.task.Slow == 0 && !w.task.Deaf && !w.task.Wedged:
			if token != "" {
				_ = c.write(w.task.Name, token)
			}
			return
		case ended && token == "" && (w.believes() || w.task.Peer == controllerRuntime):
			// controller-runtime's manager cannot be asked, but means to hold the Lease until its runnables have ended.
			w.report(occurrence{Kind: believes})
		}
		if c.write(w.task.Name, token) != nil {
			return
		}
	}
}

// patcher writes to an object in the API server.
type patcher func(ctx context.Context, patch []byte) error

// patch writes once, and reports whether it was done or refused by the client. It returns the error.
func (w *work) patch(ctx context.Context, do patcher) error {
	term, _ := elector.TermFromContext(ctx)
	began := time.Now()
	err := do(ctx, fmt.Appendf(nil, `{"data":{"writer":%q,"token":%q}}`, w.task.Name, string(term.Token)))
	switch {
	case errors.Is(err, manager.ErrNotLeading):
		w.report(occurrence{Kind: cannot, Token: string(term.Token)})
	case err == nil:
		w.report(occurrence{Kind: wrote, Token: string(term.Token), Began: began})
	}
	return err
}

// patchAll patches for as long as ctx lasts.
func (w *work) patchAll(ctx context.Context, do patcher) {
	tick := time.NewTicker(patchEvery)
	defer tick.Stop()
	for ctx.Err() == nil {
		w.report(occurrence{Kind: reconciles})
		_ = w.patch(ctx, do) // What became of it has been reported.
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

// hammer reads with many goroutines by one client that shares the configuration of the election's.
func (w *work) hammer(ctx context.Context, client kubernetes.Interface, group *sync.WaitGroup) {
	for range w.task.Hammers {
		group.Go(func() {
			for ctx.Err() == nil {
				_, _ = client.CoreV1().ConfigMaps(w.task.Namespace).Get(ctx, configMap, metav1.GetOptions{})
			}
		})
	}
}
