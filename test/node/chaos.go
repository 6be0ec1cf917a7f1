// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kube-elector/elector/elector"
	operatorconfig "github.com/kube-elector/elector/examples/operator/config"
	"github.com/kube-elector/elector/test/harness"
	"github.com/kube-elector/elector/test/node/victim"
)

// A trial is one leader with whom faults interfere.
type trial struct {
	*stage
	daemons *sync.Mutex // held while servers of the node are killed or started
	random  *rand.Rand
	pod     *corev1.Pod
	process *victim.Process
	shim    int
	signed  string // what the Lease says of the process
	former  string // what it said in the run before
}

// watchPeriod is how long a run lasts after its last fault. A report comes within 1.3 s.
const watchPeriod = 3 * time.Second

// disturb injects faults at random into one leader after the other. It returns an error if another one ever led while
// the process of the leader lived, had not released the Lease, and had renewed it within LeaseDuration.
func (t *theatre) disturb(ctx context.Context, s *stage, stream uint64) error {
	random := rand.New(rand.NewPCG(t.seed, stream)) //nolint:gosec // It should be repeatable.
	var faults []error
	counts, former := map[string]int{}, ""
	version, err := t.nodeVersion(ctx)
	if err != nil {
		return err
	}
	for began, n := time.Now(), 1; time.Since(began) < t.chaos && ctx.Err() == nil; n++ {
		r := &trial{stage: s, daemons: &t.daemons, random: random, former: former}
		what, verdict, err := r.disturb(ctx)
		former = r.signed
		if verdict == early {
			faults = append(faults, fmt.Errorf("run %d.%d: %s: taken over while the process lived", stream, n, strings.Join(what, ", ")))
		}
		if err = errors.Join(err, r.mend(ctx)); err != nil && verdict != early {
			verdict = spoilt
			what = append(what, err.Error())
		}
		counts[verdict]++
		fmt.Fprintf(os.Stderr, "node: %d.%d: %s: %s\n", stream, n, strings.Join(what, ", "), verdict)
		if counts[spoilt] > 10 {
			return errors.Join(append(faults, err)...)
		}
	}
	line := fmt.Sprintf("- %s, seed %d.%d:", version, t.seed, stream)
	for _, verdict := range []string{early, lives, taken, untaken, released, lapsed, spoilt} {
		line += fmt.Sprintf(" %d %s;", counts[verdict], verdict)
	}
	fmt.Println(line)
	record, err := os.OpenFile(t.record, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(record, line)
	return errors.Join(append(faults, err, record.Close())...)
}

// The verdicts.
const (
	early    = "taken over EARLY"
	lives    = "lives and leads"
	taken    = "died, taken over"
	untaken  = "died, not yet taken over"
	released = "released"
	lapsed   = "lives, its lease lapsed"
	spoilt   = "spoilt"
)

// disturb plays one run.
func (r *trial) disturb(ctx context.Context) (what []string, verdict string, err error) {
	if _, r.pod, err = r.leader(ctx); err != nil {
		return nil, "", err
	}
	if r.process, err = victim.Find(r.pod.Status.ContainerStatuses[0].ContainerID); err != nil {
		return nil, "", err
	}
	lease, err := r.lease(ctx)
	if err != nil {
		return nil, "", err
	}
	r.signed = lease.Annotations[elector.ContainerAnnotation]
	holder := ptr.Deref(lease.Spec.HolderIdentity, "")
	if r.signed == "" || !strings.HasPrefix(holder, r.pod.Name) {
		return nil, "", fmt.Errorf("the Lease of %s is signed by %q", holder, r.signed)
	}
	if r.shim, err = r.process.Parent(); err != nil {
		return nil, "", err
	}
	watching, stop := context.WithTimeout(ctx, time.Minute)
	defer stop()
	judged := make(chan string, 1)
	r.watchers.Go(func() { judged <- r.judge(watching, lease) })
	for range 1 + r.random.IntN(3) {
		f := interferences[r.random.IntN(len(interferences))]
		what = append(what, f.name)
		if err := f.inject(ctx, r); err != nil {
			what = append(what, "("+err.Error()+")") // It may be too late for it.
		}
		if err := harness.Pause(ctx, time.Duration(r.random.IntN(1200))*time.Millisecond); err != nil {
			return what, "", err
		}
	}
	err = harness.Pause(ctx, watchPeriod)
	stop()
	return what, <-judged, err
}

// judge watches the Lease until the process no longer holds it, or ctx ends.
func (r *trial) judge(ctx context.Context, lease *coordinationv1.Lease) string {
	deaths := make(chan time.Time, 1)
	r.watchers.Go(func() {
		if at, err := r.process.Death(time.Minute); err == nil {
			deaths <- at
		}
	})
	for ctx.Err() == nil {
		if next, err := r.lease(ctx); err == nil {
			if ptr.Deref(next.Spec.HolderIdentity, "") != *lease.Spec.HolderIdentity {
				return verdict(lease, next, deaths)
			}
			lease = next
		}
		_ = harness.Pause(ctx, 20*time.Millisecond)
	}
	if len(deaths) == 0 {
		return lives
	}
	return untaken
}

// verdict says what it means that the Lease was one leader's and is another's.
func verdict(was, is *coordinationv1.Lease, deaths <-chan time.Time) string {
	var last elector.LastTerm
	_ = json.Unmarshal([]byte(is.Annotations[elector.LastTermAnnotation]), &last) // There may be none.
	if ptr.Deref(is.Spec.HolderIdentity, "") == "" || last.Holder == *was.Spec.HolderIdentity && last.Reason == elector.EndReleased {
		return released
	}
	select {
	case death := <-deaths:
		if death.Before(is.Spec.AcquireTime.Time) {
			return taken
		}
	default:
	}
	if is.Spec.AcquireTime.Sub(was.Spec.RenewTime.Time) >= harness.Defaults.LeaseDuration {
		return lapsed
	}
	return early
}

func (r *trial) lease(ctx context.Context) (*coordinationv1.Lease, error) {
	return r.clientset.CoordinationV1().Leases(r.namespace).Get(ctx, operatorconfig.LeaseName, metav1.GetOptions{})
}

// mend undoes what the run has done, and replaces the leader's pod.
func (r *trial) mend(ctx context.Context) error {
	faults := []error{ctx.Err()}
	r.daemons.Lock()
	for _, s := range []*harness.Server{r.node.Containerd, r.node.Kubelet} {
		if s.Running() != nil {
			faults = append(faults, s.Start())
		}
	}
	r.daemons.Unlock()
	if r.process != nil {
		_ = freeze(r.process, false)                // It may have gone.
		_ = r.process.Signal(victim.Kill...)        // It may have gone.
		_, err := r.process.Death(20 * time.Second) // If it is frozen otherwise, Stop knows.
		faults = append(faults, err, r.process.Close())
	}
	for _, pod := range r.pods() {
		if r.pod != nil && pod.UID == r.pod.UID || pod.DeletionTimestamp != nil || pod.Status.Phase == corev1.PodFailed {
			faults = append(faults, client.IgnoreNotFound(r.client.Delete(ctx, pod, client.GracePeriodSeconds(0))))
		}
	}
	return errors.Join(append(faults, r.calm(ctx))...)
}
