// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package replica

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/google/uuid"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/klog/v2"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	crevent "sigs.k8s.io/controller-runtime/pkg/event"
	ctrlmanager "sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/kube-elector/elector/manager"
	"github.com/kube-elector/elector/test/chaos/event"
	"github.com/kube-elector/elector/test/harness"
)

// peers run a replica until ctx ends, or until they give up.
var peers = map[string]func(context.Context, *rest.Config, *work, *slog.Logger) error{
	harness.Ours:              runOurs,
	harness.ClientGo:          runClientGo,
	harness.ControllerRuntime: runControllerRuntime,
}

// runOurs runs a manager like that of examples/operator, which stands by again whatever it loses.
func runOurs(ctx context.Context, cfg *rest.Config, w *work, logger *slog.Logger) error {
	var mgr *manager.Manager
	callbacks := w.callbacks()
	if begun := callbacks.OnStartedLeading; w.task.OneLine {
		callbacks.OnStartedLeading = func(ctx context.Context) {
			begun(ctx)
			w.lead(ctx, patches(mgr.GetClient(), w.task))
		}
	}
	more := []manager.Option{manager.WithLogger(logger), manager.WithCallbacks(callbacks)}
	if !w.task.OneLine {
		more = append(more, manager.WithReElection())
	}
	if w.task.Identity != "" {
		more = append(more, manager.WithIdentity(w.task.Identity))
	}
	if w.task.Shards > 0 {
		more = append(more, w.sharded()...)
	}
	mgr, err := manager.New(cfg, options(w.task), more...)
	if err != nil {
		return err
	}
	w.believe(mgr.Elector().IsLeader)
	w.leaves(mgr.Elector().StepDown)
	if !w.task.OneLine {
		if err := mgr.EachTerm(leadersWork(mgr, w)); err != nil {
			return err
		}
	}
	if err := addController(mgr, w); err != nil {
		return err
	}
	return startManager(ctx, cfg, mgr, w)
}

// sharded returns the options of a replica that reports which shards it has.
func (w *work) sharded() []manager.Option {
	say := func(kind event.Kind, shard int) { w.report(event.Event{Kind: kind, Detail: strconv.Itoa(shard)}) }
	return []manager.Option{manager.WithShards(w.task.Shards), manager.WithShardCallbacks(manager.ShardCallbacks{
		OnAcquired: func(_ context.Context, shard int) { say(event.Acquires, shard) },
		OnLost:     func(shard int) { say(event.Loses, shard) },
	})}
}

// runControllerRuntime returns when the leadership is lost. The harness starts the next process, as Kubernetes would.
func runControllerRuntime(ctx context.Context, cfg *rest.Config, w *work, _ *slog.Logger) error {
	o := options(w.task)
	if w.task.Identity != "" {
		lock, err := resourcelock.NewFromKubeconfig(resourcelock.LeasesResourceLock, w.task.Namespace, LeaseName,
			resourcelock.ResourceLockConfig{Identity: w.task.Identity}, cfg, w.task.Timing.RenewDeadline)
		if err != nil {
			return err
		}
		o.LeaderElectionResourceLockInterface = lock
	}
	mgr, err := ctrl.NewManager(cfg, o)
	if err != nil {
		return err
	}
	if err := errors.Join(mgr.Add(ctrlmanager.RunnableFunc(leadersWork(mgr, w))), addController(mgr, w)); err != nil {
		return err
	}
	return startManager(ctx, cfg, mgr, w)
}

// options returns those of all managers.
func options(t Task) ctrl.Options {
	o := t.candidate().Options()
	o.Scheme = scheme.Scheme
	o.GracefulShutdownTimeout = ptr.To(cmp.Or(t.Drain, 30*time.Second))
	return o
}

// ControllerName is the name of the controller of all operators.
const ControllerName = "patcher"

// leadersWork returns the leader's work for one term.
func leadersWork(mgr ctrl.Manager, w *work) func(context.Context) error {
	do := patches(mgr.GetClient(), w.task)
	return func(ctx context.Context) error {
		if w.task.Early {
			w.early(ctx, func() { w.report(event.Event{Kind: event.Returns}) })
			return nil
		}
		w.lead(ctx, do)
		if w.task.Peer == harness.ControllerRuntime {
			w.report(event.Event{Kind: event.Stopped})
		}
		return nil
	}
}

func addController(mgr ctrl.Manager, w *work) error {
	do := patches(mgr.GetClient(), w.task)
	never := func(crevent.UpdateEvent) bool { return false }
	return builder.ControllerManagedBy(mgr).Named(ControllerName).
		For(&corev1.ConfigMap{}, builder.WithPredicates(predicate.Funcs{UpdateFunc: never})).
		Complete(reconcile.Func(func(ctx context.Context, r reconcile.Request) (reconcile.Result, error) {
			w.report(event.Event{Kind: event.Reconciles, Detail: r.Name})
			if w.task.Shards > 0 {
				_ = harness.Pause(ctx, patchEvery/10) // It ends with the shard.
				w.report(event.Event{Kind: event.Reconciled, Detail: r.Name})
				return reconcile.Result{RequeueAfter: patchEvery}, nil
			}
			if w.task.Wedged {
				w.write(ctx, context.Background(), "") // does not return
			}
			_ = w.patch(ctx, do) // The outcome has been reported.
			return reconcile.Result{RequeueAfter: patchEvery}, nil
		}))
}

func patches(c client.Client, t Task) patcher {
	return func(ctx context.Context, patch []byte) error {
		object := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: t.Namespace, Name: ConfigMap}}
		return c.Patch(ctx, object, client.RawPatch(types.MergePatchType, patch))
	}
}

func startManager(ctx context.Context, cfg *rest.Config, mgr ctrl.Manager, w *work) error {
	clientset, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		return err
	}
	var group sync.WaitGroup
	defer group.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w.hammer(ctx, clientset, &group)
	return mgr.Start(ctx)
}

// runClientGo uses client-go's LeaderElector as its documentation shows it. The process ends with the leadership, and a
// stop waits for the work.
func runClientGo(ctx context.Context, cfg *rest.Config, w *work, logger *slog.Logger) error {
	clientset, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		return err
	}
	do := func(ctx context.Context, patch []byte) error {
		_, err := clientset.CoreV1().ConfigMaps(w.task.Namespace).Patch(ctx, ConfigMap, types.MergePatchType, patch, metav1.PatchOptions{})
		return err
	}
	host, err := os.Hostname()
	if err != nil {
		return err
	}
	var group sync.WaitGroup
	defer group.Wait()
	var working sync.Mutex // client-go waits for none of its goroutines
	c := w.task.candidate()
	c.Identity = cmp.Or(c.Identity, host+"_"+uuid.NewString())
	e, err := harness.LeaderElector(clientset, c, leaderelection.LeaderCallbacks{
		OnStartedLeading: func(ctx context.Context) {
			if w.task.Early {
				w.early(ctx, func() { w.report(event.Event{Kind: event.Returns}) })
				return
			}
			working.Lock()
			defer working.Unlock()
			var patching sync.WaitGroup
			patching.Go(func() { w.patchAll(ctx, do) })
			if w.task.Wedged {
				patching.Go(func() { w.write(ctx, context.Background(), "") })
			}
			w.lead(ctx, do)
			patching.Wait()
		},
		OnStoppedLeading: func() { w.report(event.Event{Kind: event.Stopped}) },
	})
	if err != nil {
		return err
	}
	w.believe(e.IsLeader)
	hammering, cancel := context.WithCancel(ctx)
	defer cancel()
	w.hammer(hammering, clientset, &group)
	e.Run(klog.NewContext(ctx, manager.NewLogr(logger)))
	if ctx.Err() == nil {
		return fmt.Errorf("leader election lost")
	}
	return w.awaitEnd(&working)
}

// awaitEnd waits until nobody holds the lock any more.
func (w *work) awaitEnd(working *sync.Mutex) error {
	waited := make(chan struct{})
	go func() {
		working.Lock()
		close(waited)
	}()
	select {
	case <-waited:
		return nil
	case <-time.After(cmp.Or(w.task.Drain, 30*time.Second)):
		return errors.New("the work does not stop")
	}
}
