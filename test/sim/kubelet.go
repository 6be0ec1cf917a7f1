// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kube-elector/elector/elector"
	"github.com/kube-elector/elector/elector/leasetest"
	"github.com/kube-elector/elector/test/history"
)

// A kubelet runs the container of a replica with crash detection. When a process has ended it reports that, half a
// second to a second later or when its node is back, and then runs the next process in the same container. While the
// node is away that runs in another Pod.
type kubelet struct {
	w    *world
	pod  string
	rand *rand.Rand

	mu    sync.Mutex // guards all below
	runs  *leasetest.Container
	pods  int      // how many there were
	past  []string // the termination logs of earlier runs
	open  *death   // what must be reported before the container runs again
	away  int      // how many windows of Away are open
	back  []func() // to be called when there is none
	clean bool     // nobody else has written about the present run
}

// A death is the end of a process that has not been reported.
type death struct {
	process string
	code    int32
}

func newKubelet(w *world, replica string) *kubelet {
	const after = 2                                                                                                  // the plan has the first number
	return &kubelet{w: w, pod: "pod-" + replica, rand: rand.New(rand.NewPCG(w.plan.Seed+uint64(replica[0]), after))} //nolint:gosec // as plans
}

// boot runs the container again, in a Pod of its own if there is none or it is on a node that is away. It returns the
// settings of the process in it.
func (k *kubelet) boot(grace time.Duration) (*elector.CrashDetection, map[string]string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.away > 0 && k.open != nil {
		k.back = append(k.back, k.reporter(k.runs, k.open))
		k.open, k.runs = nil, nil
	}
	k.reportLocked()
	var err error
	if k.runs != nil && k.keptLocked() {
		err = k.runs.Restart()
	} else {
		k.pods++
		k.runs, err = k.w.server.RunContainer(namespace, fmt.Sprint(k.pod, "-", k.pods), k.w.dir)
	}
	if err != nil {
		panic(err) // the disk is full
	}
	k.clean = true
	return &elector.CrashDetection{TerminationLog: k.runs.TerminationLog(), Grace: grace}, k.runs.Environment()
}

// keptLocked reports whether the container's Pod is still there, and nobody has changed its spec.
func (k *kubelet) keptLocked() bool {
	env := k.runs.Environment()
	pod := k.w.server.GetPod(namespace, env["POD_NAME"])
	return pod != nil && string(pod.UID) == env["POD_UID"] && !pod.Spec.HostPID && pod.Spec.ShareProcessNamespace == nil
}

// died takes in that the process in the container has ended, and returns how long the report of that takes.
func (k *kubelet) died(process string, code int32) time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.open = &death{process, code}
	return 500*time.Millisecond + time.Duration(k.rand.Int64N(int64(600*time.Millisecond)))
}

// report reports the death, if the node is there.
func (k *kubelet) report() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.away == 0 {
		k.reportLocked()
	}
}

func (k *kubelet) reportLocked() {
	if k.open != nil {
		k.reporter(k.runs, k.open)()
		k.open = nil
	}
}

// reporter returns what reports the death. The report is of use unless others have written about that run.
func (k *kubelet) reporter(c *leasetest.Container, d *death) func() {
	log, _ := os.ReadFile(c.TerminationLog())
	k.past = append(k.past[max(0, len(k.past)-3):], string(log))
	clean := k.clean
	return func() {
		if err := c.Report(leasetest.Exited(d.code)); err != nil {
			panic(err)
		}
		k.w.log.Add(history.Event{Kind: history.Reported, Replica: d.process, OK: clean, Note: fmt.Sprint("exit code ", d.code)})
	}
}

// leave makes the node go away until the result is called.
func (k *kubelet) leave() (undo func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.away++
	return func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		if k.away--; k.away > 0 {
			return
		}
		for _, report := range k.back {
			report()
		}
		k.back = nil
		k.reportLocked()
	}
}

// lie writes what is not true, or proves nothing, about the process in the container: the nth of all lies.
func (k *kubelet) lie(n int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.runs == nil || k.open != nil {
		return // the next report would be true
	}
	k.clean = false
	lies := leasetest.FalseReports()
	if n %= len(lies) + 2; n < len(lies) {
		if err := k.runs.Report(lies[n]); err != nil {
			panic(err)
		}
		return
	}
	other := strings.Repeat("A", 26) // another nonce
	if past := len(k.past); n == len(lies) && past > 0 {
		other = k.past[k.rand.IntN(past)] // or that of an earlier run
	}
	k.w.server.EditPod(namespace, k.runs.Environment()["POD_NAME"], func(p *corev1.Pod) { leasetest.Exited(137).Edit(p, other) })
}

// dirs are directories for termination logs, each for one run at a time. Their names are used again, since package
// crash remembers the logs that a process has written to.
type dirs struct {
	mu   sync.Mutex // guards free
	free []string
}

var logs dirs

// take returns a directory, and what gives it back.
func (d *dirs) take() (dir string, giveBack func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if n := len(d.free); n > 0 {
		dir, d.free = d.free[n-1], d.free[:n-1]
	} else {
		var err error
		if dir, err = os.MkdirTemp("", "sim-"); err != nil {
			panic(err)
		}
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		panic(err)
	}
	return dir, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.free = append(d.free, dir)
		if err := os.RemoveAll(dir); err != nil {
			panic(err)
		}
	}
}
