// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// daemon is a server that is started, killed and started again with the same arguments. Its methods must not be called
// concurrently.
type daemon struct {
	path string
	args []string
	log  string // a file

	cmd  *exec.Cmd
	done chan struct{} // closed when the process has gone
}

func (d *daemon) start() error {
	log, err := os.OpenFile(d.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644) //nolint:gosec // Anyone may read it.
	if err != nil {
		return err
	}
	d.cmd = exec.Command(d.path, d.args...) //nolint:gosec // It is ours.
	d.cmd.Stdout, d.cmd.Stderr = log, log
	d.cmd.SysProcAttr = ownGroup()
	d.done = make(chan struct{})
	if err := d.cmd.Start(); err != nil {
		return errors.Join(err, log.Close())
	}
	go func(cmd *exec.Cmd, done chan struct{}) {
		defer close(done)
		_ = cmd.Wait() // However it ended, it was killed or its log says why.
		_ = log.Close()
	}(d.cmd, d.done)
	return nil
}

// kill ends the process without asking, and waits for it.
func (d *daemon) kill() error {
	if d.done == nil {
		return nil
	}
	if err := d.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("killing %s: %w", filepath.Base(d.path), err)
	}
	<-d.done
	return nil
}

// running reports whether the process has not gone.
func (d *daemon) running() error {
	select {
	case <-d.done:
		return fmt.Errorf("%s has ended (%v), see %s", filepath.Base(d.path), d.cmd.ProcessState, d.log)
	default:
		return nil
	}
}

func (d *daemon) signal(s syscall.Signal) error { return d.cmd.Process.Signal(s) }
