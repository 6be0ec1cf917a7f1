// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/kube-elector/elector/test/harness"
)

// restartDelay is how long a process that has ended by itself is missed, as with a kubelet in a hurry.
const restartDelay = 200 * time.Millisecond

// pod is a replica: one process after the other, behind one link. Its methods may be called concurrently.
type pod struct {
	stage   *stage
	name    string
	link    *harness.Link
	gateway *gateway // nil if the scenario needs none
	task    task
	group   sync.WaitGroup

	mu      sync.Mutex // guards all below
	number  int
	running *harness.Process
	ended   chan struct{} // closed when the process has gone and all that it reported is noted
	killed  time.Time     // when it was, if it was
	down    bool          // it is to stay ended
	isStill bool          // frozen
}

func (p *pod) logFile() string { return filepath.Join(p.stage.dir, "replica-"+p.name+".log") }

// start starts a process.
func (p *pod) start() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = false
	return p.startLocked()
}

func (p *pod) startLocked() error {
	log, err := os.OpenFile(p.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644) //nolint:gosec // Anyone may read it.
	if err != nil {
		return err
	}
	name := processName(p.name, p.number+1)
	p.number++
	t := p.task
	t.Name = name
	p.stage.note(occurrence{Replica: p.name, Process: p.number, Kind: started})
	// The API server records the program's name, which begins the User-Agent, as the writer of what is written.
	running, err := harness.StartProcess(context.Background(), name, t, log, "POD_NAME="+p.name, "GORACE=halt_on_error=1 exitcode=66")
	if err != nil {
		return errors.Join(err, log.Close())
	}
	p.running, p.ended, p.isStill, p.killed = running, make(chan struct{}), false, time.Time{}
	number, ended := p.number, p.ended
	p.group.Go(func() { p.follow(running, log, number, ended) })
	return nil
}

// follow notes what the process reports, and starts the next when it has ended by itself.
func (p *pod) follow(running *harness.Process, log io.Closer, number int, ended chan struct{}) {
	for {
		var e occurrence
		if running.Values.Decode(&e) != nil {
			break
		}
		e.Replica, e.Process = p.name, number
		p.stage.note(e)
	}
	_ = running.Stop() // Its state says how it ended.
	_ = log.Close()
	p.mu.Lock()
	at := p.killed // that it is heard of later means nothing
	p.mu.Unlock()
	if at.IsZero() {
		at = time.Now()
	}
	p.stage.note(occurrence{At: at, Replica: p.name, Process: number, Kind: exited, Detail: running.ProcessState.String()})
	close(ended)
	_ = harness.Pause(p.stage.ctx, restartDelay)
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.down && p.number == number && p.stage.ctx.Err() == nil {
		if err := p.startLocked(); err != nil {
			p.stage.note(occurrence{Replica: p.name, Kind: exited, Detail: "cannot be started: " + err.Error()})
		}
	}
}

// signal sends the process a signal. After SIGKILL or SIGTERM it stays ended until it is started.
func (p *pod) signal(s syscall.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.signalLocked(s)
}

func (p *pod) signalLocked(s syscall.Signal) error {
	if p.running == nil {
		return nil
	}
	if s == syscall.SIGTERM || s == syscall.SIGKILL {
		p.down = true
	}
	if s == syscall.SIGKILL && p.killed.IsZero() {
		p.killed = time.Now()
	}
	if err := p.running.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("sending %v to replica %s: %w", s, p.name, err)
	}
	return nil
}

// kill ends the process without asking, and waits for it.
func (p *pod) kill() error {
	p.mu.Lock()
	err, ended := p.signalLocked(syscall.SIGKILL), p.ended
	p.mu.Unlock()
	if err == nil && ended != nil {
		<-ended
	}
	return err
}

// stop asks the process to end and waits for it, for as long as grace.
func (p *pod) stop(ctx context.Context, grace time.Duration) error {
	if err := p.thaw(); err != nil {
		return err
	}
	if err := p.signal(syscall.SIGTERM); err != nil {
		return err
	}
	p.mu.Lock()
	ended := p.ended
	p.mu.Unlock()
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-ended:
	case <-timer.C:
	case <-ctx.Done():
	}
	return p.kill()
}

func (p *pod) freeze() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running == nil || p.isStill {
		return nil
	}
	err := p.running.Suspend()
	p.isStill = err == nil
	p.stage.note(occurrence{Replica: p.name, Process: p.number, Kind: frozen})
	return err
}

func (p *pod) thaw() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.isStill {
		return nil
	}
	p.isStill = false
	p.stage.note(occurrence{Replica: p.name, Process: p.number, Kind: thawed})
	return p.running.Resume()
}

// close ends all there is of the replica. Its stage's context has ended.
func (p *pod) close() error {
	err := p.kill()
	p.group.Wait()
	if p.link != nil {
		err = errors.Join(err, p.link.Close())
	}
	if p.gateway != nil {
		err = errors.Join(err, p.gateway.close())
	}
	return err
}
