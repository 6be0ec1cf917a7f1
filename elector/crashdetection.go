// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"time"

	"k8s.io/client-go/kubernetes"

	"github.com/kube-elector/elector/elector/internal/crash"
	"github.com/kube-elector/elector/elector/internal/lease"
)

// CrashDetection makes the others take the Lease of a leader whose container has ended when the kubelet has reported
// that and Grace is over, instead of LeaseDuration after its last renewal. The kubelet looks at its containers once a
// second. See Crash detection in the package comment for what it needs and what it costs. All replicas should have the
// same settings.
type CrashDetection struct {
	// TerminationLog is the path of the container's termination log, its terminationMessagePath. Default: it is
	// found among the mounts, if this process ends with its container, as PID 1 of a PID namespace of its own does, and
	// what that starts. Whoever sets it vouches for that. The Elector overwrites the file, so nothing else must write to
	// it.
	TerminationLog string
	// Grace is how long a replica leaves the Lease alone after it has seen the report. Requests that the former leader
	// had sent may still be carried out when it is dead. 0 means LeaseDuration minus RenewDeadline, the time that they
	// have after any other end. Negative means none: only safe if such requests do no harm, because every receiver
	// refuses a lower Token, or the network never holds requests back. The Lease is never left alone for longer than
	// without CrashDetection.
	Grace time.Duration
	// Fenced, if set, is called when Grace would have to be waited. It reports whether whatever the dead leader may
	// still have under way is refused where it arrives, so that the wait is needless. It must return when ctx ends,
	// which is after Grace. Calls come one at a time, concurrently to the Callbacks, and with package shards several at
	// once.
	Fenced func(ctx context.Context) bool

	own *ownLog // set by withDefaults
}

// ownLog is the termination log of this process, or why there is none.
type ownLog struct {
	path string
	log  *crash.Log
	why  string // as text, so that Configs can be compared
}

// complete looks for the termination log, unless that was done before: those who make several Electors of one
// completed Config tie all of them to one container.
func (d *CrashDetection) complete() {
	if d.own == nil || d.own.path != d.TerminationLog {
		log, err := crash.Find(d.TerminationLog)
		d.own = &ownLog{path: d.TerminationLog, log: log}
		if err != nil {
			d.own.why = err.Error()
		}
	}
}

// grace returns the effective Grace.
func (c Config) grace() time.Duration {
	return crash.Grace(c.CrashDetection.Grace, c.LeaseDuration-c.RenewDeadline)
}

func (c Config) crashFaults() []error {
	d := c.CrashDetection
	if d == nil {
		return nil
	}
	var faults []error
	if d.TerminationLog != "" && !filepath.IsAbs(d.TerminationLog) {
		faults = append(faults, fmt.Errorf("CrashDetection.TerminationLog: %q: must be an absolute path", d.TerminationLog))
	}
	if tooShort(d.Grace) {
		faults = append(faults, fmt.Errorf("CrashDetection.Grace: %v: must be at least %v, or negative for none%s", d.Grace, MinDuration, unitHint(d.Grace)))
	}
	return faults
}

// crashDetector ties this process to its container, and learns when that of another leader has ended. A nil one does
// neither.
type crashDetector struct {
	e       *Elector
	own     *ownLog
	watcher *podWatcher

	unsigned, unwatched atomic.Bool // the log told of that
}

func newCrashDetector(e *Elector, clientset kubernetes.Interface) *crashDetector {
	d := &crashDetector{e: e, own: e.config.CrashDetection.own}
	d.watcher = &podWatcher{e: e, found: d.ended}
	d.watcher.follower = crash.NewFollower(clientset, e.leases.Asker, e.config.slow(),
		crash.User{Blind: d.watcher.whileBlind, Failed: d.failed, Worked: d.worked})
	return d
}

// signature returns what the Lease must say of this process, "" if nothing. It makes sure that it is true.
func (d *crashDetector) signature(ctx context.Context) string {
	if d == nil {
		return ""
	}
	why := d.own.why
	if why == "" {
		own, err := d.own.log.Sign()
		if err == nil {
			d.unsigned.Store(false)
			return own.Encode()
		}
		why = err.Error()
	}
	if !d.unsigned.Swap(true) {
		d.e.logger.InfoContext(ctx, "crash detection is off for this replica: if it crashes, the others wait for LeaseDuration", "err", why)
	}
	return ""
}

// holderSilent says that the holder of the Lease should have renewed it.
func (d *crashDetector) holderSilent(obs lease.Observation) {
	if d != nil {
		d.watcher.holderSilent(obs)
	}
}

// failed takes in that the Pod of the holder cannot be read or watched.
func (d *crashDetector) failed(ctx context.Context, err error) {
	level := slog.LevelDebug
	if lease.Refused(err) && !d.unwatched.Swap(true) {
		level = slog.LevelInfo
	}
	d.e.logger.Log(ctx, level, "cannot watch the leader's Pod, so its crash is noticed after LeaseDuration", "err", err)
}

// worked takes in that the Pod is watched.
func (d *crashDetector) worked(ctx context.Context) {
	if d.unwatched.Swap(false) {
		d.e.logger.InfoContext(ctx, "watching the leader's Pod works again")
	}
}

// ended takes in that the container of the process that holds the Lease has ended.
func (d *crashDetector) ended(ctx context.Context, process string, i crash.Instance, end crash.End) {
	e, grace := d.e, d.e.config.grace()
	if !e.view.Ended(process, end.String(), grace, end.Before) {
		return
	}
	if fenced := e.config.CrashDetection.Fenced; grace > 0 && fenced != nil {
		bounded, cancel := context.WithTimeout(ctx, grace)
		if fenced(bounded) {
			grace = 0
			e.view.Ended(process, end.String(), grace, end.Before)
		}
		cancel()
	}
	e.logger.InfoContext(ctx, "the leader's container has ended", "pod", i.Name(), "exitCode", end.ExitCode, "reason", end.Reason, "grace", grace)
}
