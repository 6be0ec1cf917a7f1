// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"errors"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	toolscache "k8s.io/client-go/tools/cache"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/cluster"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/webhook"

	"github.com/kube-elector/elector/elector"
)

// TestManagerOfATerm looks at what a set-up is given.
func TestManagerOfATerm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		var mgr ctrl.Manager
		b := newTermBench(1, func(m ctrl.Manager) error {
			mgr = m
			for _, r := range []manager.Runnable{
				everywhere(nil), &manager.Server{}, webhook.NewServer(webhook.Options{}), struct{ cluster.Cluster }{},
			} {
				if err := m.Add(r); err == nil || !strings.Contains(err.Error(), "outside EachTerm") {
					t.Errorf("Add of %T: %v, want a refusal", r, err)
				}
			}
			if err := m.Start(t.Context()); err == nil {
				t.Error("Start: no error")
			}
			if err := m.GetCache().Start(t.Context()); err == nil {
				t.Error("GetCache().Start: no error")
			}
			if o := m.GetControllerOptions(); !*o.SkipNameValidation || !*o.EnableWarmup || o.MaxConcurrentReconciles != 1 {
				t.Errorf("GetControllerOptions: %+v", o)
			}
			if err := m.GetClient().Create(t.Context(), &corev1.ConfigMap{}); !errors.Is(err, ErrNotLeading) {
				t.Errorf("a write while standing by: %v, want ErrNotLeading", err)
			}
			// In every term; an informer takes an index only once.
			if err := m.GetFieldIndexer().IndexField(t.Context(), &corev1.ConfigMap{}, "data.x", nil); err != nil {
				t.Errorf("IndexField: %v", err)
			}
			return nil
		})
		start := begin(b.Start)
		synctest.Wait()
		first := mgr
		select {
		case <-first.Elected():
			t.Error("Elected is closed while standing by")
		default:
		}
		term := b.begin()
		<-first.Elected()
		mustAdd(t, first, j.worker("late work", atOnce))
		synctest.Wait()
		j.expect(t, "late work runs")
		term.end(elector.ErrLeaseExpired)
		j.expect(t, "late work runs", "late work returns")
		if err := first.Add(j.worker("too late", nil)); !errors.Is(err, ErrStopped) {
			t.Errorf("Add after the term: %v, want ErrStopped", err)
		}
		synctest.Wait()
		if first == mgr {
			t.Fatal("the next term has not been set up")
		}
		informer, err := first.GetCache().GetInformer(t.Context(), &corev1.ConfigMap{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{}); !errors.Is(err, ErrStopped) {
			t.Errorf("AddEventHandler after the term: %v, want ErrStopped", err)
		}
		start.stop()
		if err := start.wait(); err != nil {
			t.Fatal(err)
		}
		if err := mgr.Add(j.worker("never", nil)); !errors.Is(err, ErrStopped) {
			t.Errorf("Add for a term that never comes: %v, want ErrStopped", err)
		}
		b.cancel()
	})
}

// Sources that are not Kinds add their handlers by other methods.
func TestHandlersAddedByAnyMethodAreRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newTermBench(0, func(m ctrl.Manager) error {
			byObject, err := m.GetCache().GetInformer(t.Context(), &corev1.ConfigMap{})
			if err != nil {
				return err
			}
			byKind, err := m.GetCache().GetInformerForKind(t.Context(), corev1.SchemeGroupVersion.WithKind("ConfigMap"))
			if err != nil {
				return err
			}
			none := toolscache.ResourceEventHandlerFuncs{}
			_, err1 := byObject.AddEventHandler(none)
			_, err2 := byKind.AddEventHandlerWithResyncPeriod(none, time.Hour)
			_, err3 := byKind.AddEventHandlerWithOptions(none, toolscache.HandlerOptions{})
			return errors.Join(err1, err2, err3)
		})
		start := begin(b.Start)
		synctest.Wait()
		before := runtime.NumGoroutine()
		for range 10 {
			b.begin().end(elector.ErrLeaseExpired)
			synctest.Wait()
		}
		if after := runtime.NumGoroutine(); after > before+5 {
			t.Errorf("%d goroutines before, %d after 10 terms", before, after)
		}
		start.stop()
		if err := start.wait(); err != nil {
			t.Fatal(err)
		}
		b.cancel()
	})
}

func TestSetupThatFailsHalfwayLeavesNothingBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var broken atomic.Bool
		b := newTermBench(0,
			func(m ctrl.Manager) error {
				informer, err := m.GetCache().GetInformer(t.Context(), &corev1.ConfigMap{})
				if err != nil {
					return err
				}
				_, err = informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{})
				return err
			},
			func(ctrl.Manager) error {
				if broken.Load() {
					return errors.New("broken")
				}
				return nil
			})
		start := begin(b.Start)
		synctest.Wait()
		broken.Store(true)
		b.begin().end(elector.ErrLeaseExpired)
		pass(time.Second)
		before := runtime.NumGoroutine()
		pass(time.Hour) // some 120 tries
		if after := runtime.NumGoroutine(); after > before+5 {
			t.Errorf("%d goroutines before, %d after", before, after)
		}
		start.stop()
		if err := start.wait(); err != nil {
			t.Fatal(err)
		}
		b.cancel()
	})
}

// lazyInformer says a while later that its handler has synced, and remembers
// whether the handler was removed before.
type lazyInformer struct {
	cache.Informer
	synced  chan struct{}
	removed chan bool // whether it had synced
}

func (l *lazyInformer) HasSynced() bool                          { return true }
func (l *lazyInformer) IsStopped() bool                          { return false }
func (l *lazyInformer) HasSyncedChecker() toolscache.DoneChecker { return l }
func (l *lazyInformer) Name() string                             { return "lazy" }
func (l *lazyInformer) Done() <-chan struct{}                    { return l.synced }
func (l *lazyInformer) AddEventHandler(toolscache.ResourceEventHandler) (toolscache.ResourceEventHandlerRegistration, error) {
	return l, nil
}

func (l *lazyInformer) RemoveEventHandler(toolscache.ResourceEventHandlerRegistration) error {
	select {
	case <-l.synced:
		l.removed <- true
	default:
		l.removed <- false
	}
	return nil
}

func TestHandlerIsRemovedOnlyWhenItHasSynced(t *testing.T) {
	for name, late := range map[string]bool{"added in time": false, "added when the term is over": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				lazy := &lazyInformer{synced: make(chan struct{}), removed: make(chan bool, 1)}
				time.AfterFunc(100*time.Millisecond, func() { close(lazy.synced) })
				c := &termCache{}
				if late {
					c.release()
				}
				_, err := (&termInformer{Informer: lazy, cache: c}).AddEventHandler(nil)
				if errors.Is(err, ErrStopped) != late {
					t.Errorf("AddEventHandler: %v", err)
				}
				c.release()
				if !<-lazy.removed {
					t.Error("removed before it had synced")
				}
			})
		})
	}
}
