// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package stage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/kube-elector/elector/test/chaos/event"
	"github.com/kube-elector/elector/test/chaos/replica"
	"github.com/kube-elector/elector/test/harness"
)

// restartDelay is how long a process that has ended by itself is missed, as with a kubelet in a hurry.
const restartDelay = 200 * time.Millisecond

// A Replica is one process after the other, behind one link. Its methods may be called concurrently.
type Replica struct {
	Name    string
	Link    *harness.Link
	Gateway *Gateway // nil if the scenario needs none
	Task    replica.Task
	stage   *Stage
	group   sync.WaitGroup

	mu      sync.Mutex // guards all below
	number  int
	running *harness.Process
	ended   chan struct{} // closed when the process has gone and all that it reported is noted
	killed  time.Time     // when it was killed, if it was
	down    bool          // it must stay ended
	isStill bool          // frozen
}

func (r *Replica) logFile() string { return filepath.Join(r.stage.dir, "replica-"+r.Name+".log") }

// Does returns a function that reports whether an event is about a process of the replica, and has one of the kinds.
func (r *Replica) Does(kinds ...event.Kind) func(event.Event) bool {
	return func(e event.Event) bool { return e.Replica == r.Name && slices.Contains(kinds, e.Kind) }
}

// Process returns the latest process.
func (r *Replica) Process() event.Process {
	r.mu.Lock()
	defer r.mu.Unlock()
	return event.Process{Replica: r.Name, Number: r.number}
}

// Start starts a process. If it ends by itself, another is started.
func (r *Replica) Start() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.down = false
	return r.startLocked()
}

func (r *Replica) startLocked() error {
	log, err := os.OpenFile(r.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644) //nolint:gosec // Anyone may read it.
	if err != nil {
		return err
	}
	r.number++
	t := r.Task
	t.Name = event.Process{Replica: r.Name, Number: r.number}.String()
	r.stage.Note(event.Event{Replica: r.Name, Number: r.number, Kind: event.Started})
	// The API server records the program's name, which begins the User-Agent, as the writer of what is written.
	running, err := harness.StartProcess(context.Background(), t.Name, t, log, "POD_NAME="+r.Name, "GORACE=halt_on_error=1 exitcode=66")
	if err != nil {
		return errors.Join(err, log.Close())
	}
	r.running, r.ended, r.isStill, r.killed = running, make(chan struct{}), false, time.Time{}
	number, ended := r.number, r.ended
	r.group.Go(func() { r.follow(running, log, number, ended) })
	return nil
}

// follow notes what the process reports, and starts the next when it has ended by itself.
func (r *Replica) follow(running *harness.Process, log io.Closer, number int, ended chan struct{}) {
	for {
		var e event.Event
		if running.Values.Decode(&e) != nil {
			break
		}
		e.Replica, e.Number = r.Name, number
		r.stage.Note(e)
	}
	_ = running.Stop() // Its state says how it ended.
	_ = log.Close()
	r.mu.Lock()
	at := r.killed // It is heard of later.
	r.mu.Unlock()
	if at.IsZero() {
		at = time.Now()
	}
	r.stage.Note(event.Event{At: at, Replica: r.Name, Number: number, Kind: event.Exited, Detail: running.ProcessState.String()})
	close(ended)
	_ = harness.Pause(r.stage.Ctx, restartDelay)
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.down && r.number == number && r.stage.Ctx.Err() == nil {
		if err := r.startLocked(); err != nil {
			r.stage.Note(event.Event{Replica: r.Name, Kind: event.Exited, Detail: "cannot be started: " + err.Error()})
		}
	}
}

// Signal sends the process a signal. After SIGKILL or SIGTERM it stays ended until it is started.
func (r *Replica) Signal(s syscall.Signal) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.signalLocked(s)
}

func (r *Replica) signalLocked(s syscall.Signal) error {
	if r.running == nil {
		return nil
	}
	if s == syscall.SIGTERM || s == syscall.SIGKILL {
		r.down = true
	}
	if s == syscall.SIGKILL && r.killed.IsZero() {
		r.killed = time.Now()
	}
	if err := r.running.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("sending %v to replica %s: %w", s, r.Name, err)
	}
	return nil
}

// Kill kills the process and waits until it has gone.
func (r *Replica) Kill() error {
	r.mu.Lock()
	err, ended := r.signalLocked(syscall.SIGKILL), r.ended
	r.mu.Unlock()
	if err == nil && ended != nil {
		<-ended
	}
	return err
}

// Stop asks the process to end, waits for at most [StartGrace], and kills it then.
func (r *Replica) Stop(ctx context.Context) error {
	if err := errors.Join(r.Thaw(), r.Signal(syscall.SIGTERM)); err != nil {
		return err
	}
	r.mu.Lock()
	ended := r.ended
	r.mu.Unlock()
	timer := time.NewTimer(StartGrace)
	defer timer.Stop()
	select {
	case <-ended:
	case <-timer.C:
	case <-ctx.Done():
	}
	return r.Kill()
}

// Freeze stops the process with SIGSTOP.
func (r *Replica) Freeze() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.running == nil || r.isStill {
		return nil
	}
	err := r.running.Suspend()
	r.isStill = err == nil
	r.stage.Note(event.Event{Replica: r.Name, Number: r.number, Kind: event.Frozen})
	return err
}

// Thaw continues it.
func (r *Replica) Thaw() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.isStill {
		return nil
	}
	r.isStill = false
	r.stage.Note(event.Event{Replica: r.Name, Number: r.number, Kind: event.Thawed})
	return r.running.Resume()
}

// close ends everything that belongs to the replica. The context of its stage has ended.
func (r *Replica) close() error {
	err := r.Kill()
	r.group.Wait()
	if r.Link != nil {
		err = errors.Join(err, r.Link.Close())
	}
	if r.Gateway != nil {
		err = errors.Join(err, r.Gateway.close())
	}
	return err
}
