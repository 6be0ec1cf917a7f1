// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package replica

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
	"github.com/kube-elector/elector/test/chaos/event"
	"github.com/kube-elector/elector/test/harness"
)

const (
	lookEvery  = 10 * time.Millisecond  // between two looks at whether this process has been frozen
	leap       = 250 * time.Millisecond // not to have run for so long is to have been frozen
	writeEvery = 25 * time.Millisecond  // to the register
	patchEvery = 200 * time.Millisecond // to the API server
)

// ConfigMap is the name of the object that leaders patch.
const ConfigMap = "work"

// work is what a replica does. A leader writes to the register without a token and, if it has one, with its token. It
// also writes to the API server. It goes on until its context ends, and then tries once more, as a writer that was
// about to write.
type work struct {
	*reporter
	task Task

	mutex    sync.Mutex // guards all below
	leading  func() bool
	stepDown func(context.Context) error // nil if the peer cannot

	begun, led atomic.Bool // OnStartedLeading has been called, and has begun the work
}

// callbacks returns callbacks that report the end of a term. The work reports the beginning. If the term was over
// before the work began, nothing is reported.
func (w *work) callbacks() elector.Callbacks {
	return elector.Callbacks{
		OnStartedLeading: func(context.Context) { w.begun.Store(true) },
		OnStoppedLeading: func() {
			if begun, led := w.begun.Swap(false), w.led.Swap(false); led || !begun {
				w.report(event.Event{Kind: event.Stopped})
			}
		},
	}
}

// look reports pauses of the process, and four times a second what it has used.
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
			w.report(event.Event{At: now, Kind: event.Woke, Detail: fmt.Sprint(w.believes())})
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

func (w *work) leaves(f func(context.Context) error) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.stepDown = f
}

// leave steps down. What comes of it is seen by others.
func (w *work) leave(ctx context.Context) {
	w.mutex.Lock()
	f := w.stepDown
	w.mutex.Unlock()
	if f != nil {
		_ = f(ctx)
	}
}

// lead does the leader's work until ctx ends, and then takes its time to stop.
func (w *work) lead(ctx context.Context, do patcher) {
	term, _ := elector.TermFromContext(ctx)
	token := string(term.Token)
	w.led.Store(true)
	w.report(event.Event{Kind: event.Leads, Token: token})
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
	w.report(event.Event{Kind: event.Told, Token: token, Detail: context.Cause(ctx).Error()})
	w.straggle(ctx, do)
	if w.task.Deaf {
		select {}
	}
	_ = harness.Pause(context.Background(), w.task.Slow)
	stopped()
	group.Wait()
	w.report(event.Event{Kind: event.Returns, Token: token})
}

// straggle writes to the API server, as a write does that was on its way when the term ended.
func (w *work) straggle(ctx context.Context, do patcher) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = w.patch(ctx, do) // The outcome has been reported.
}

// early does the work that returns at once. It still reports the end of the term.
func (w *work) early(ctx context.Context, over func()) {
	term, _ := elector.TermFromContext(ctx)
	w.report(event.Event{Kind: event.Leads, Token: string(term.Token)})
	go func() { // ends with the term, or the process
		<-ctx.Done()
		w.report(event.Event{Kind: event.Told, Token: string(term.Token), Detail: context.Cause(ctx).Error()})
		over()
	}()
}

// write writes to the register while the term lasts. Work that is slow to stop goes on until done ends. With a token,
// write writes once more afterwards.
func (w *work) write(ctx, done context.Context, token string) {
	c := newRegisterClient(w.task.Register)
	defer c.CloseIdleConnections()
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
		case ended && token == "" && (w.believes() || w.task.Peer == harness.ControllerRuntime):
			// controller-runtime's manager cannot be asked. It intends to hold the Lease until its runnables have ended.
			w.report(event.Event{Kind: event.Believes})
		}
		if c.write(w.task.Name, token) != nil {
			return
		}
	}
}

// patcher writes to an object in the API server.
type patcher func(ctx context.Context, patch []byte) error

// patch writes once, reports whether it succeeded or the client refused it, and returns the error.
func (w *work) patch(ctx context.Context, do patcher) error {
	term, _ := elector.TermFromContext(ctx)
	began := time.Now()
	err := do(ctx, fmt.Appendf(nil, `{"data":{"writer":%q,"token":%q}}`, w.task.Name, string(term.Token)))
	switch {
	case errors.Is(err, manager.ErrNotLeading):
		w.report(event.Event{Kind: event.Cannot, Token: string(term.Token)})
	case err == nil:
		w.report(event.Event{Kind: event.Wrote, Token: string(term.Token), Began: began})
	}
	return err
}

// patchAll patches for as long as ctx lasts.
func (w *work) patchAll(ctx context.Context, do patcher) {
	tick := time.NewTicker(patchEvery)
	defer tick.Stop()
	for ctx.Err() == nil {
		w.report(event.Event{Kind: event.Reconciles})
		_ = w.patch(ctx, do) // The outcome has been reported.
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

// hammer reads with many goroutines, through a client with the configuration of the election's.
func (w *work) hammer(ctx context.Context, client kubernetes.Interface, group *sync.WaitGroup) {
	for range w.task.Hammers {
		group.Go(func() {
			for ctx.Err() == nil {
				_, _ = client.CoreV1().ConfigMaps(w.task.Namespace).Get(ctx, ConfigMap, metav1.GetOptions{})
			}
		})
	}
}
