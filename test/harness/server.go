// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// A Server is a program that can be killed and started again with the same arguments. Its methods must not be called
// concurrently.
type Server struct {
	path string
	args []string
	log  string // a file

	cmd  *exec.Cmd
	done chan struct{} // closed when the process has gone
}

// NewServer returns a server of the program at path. It logs to a file in dir, and finds programs beside its own.
func NewServer(path, dir string, args ...string) *Server {
	return &Server{path: path, args: args, log: filepath.Join(dir, filepath.Base(path)+".log")}
}

// Start starts the process.
func (s *Server) Start() error {
	log, err := os.OpenFile(s.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644) //nolint:gosec // Anyone may read it.
	if err != nil {
		return err
	}
	s.cmd = exec.Command(s.path, s.args...) //nolint:gosec // It is ours.
	s.cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(s.path)+string(filepath.ListSeparator)+os.Getenv("PATH"))
	s.cmd.Stdout, s.cmd.Stderr = log, log
	s.cmd.SysProcAttr = ownGroup()
	s.done = make(chan struct{})
	if err := s.cmd.Start(); err != nil {
		return errors.Join(err, log.Close())
	}
	go func(cmd *exec.Cmd, done chan struct{}) {
		defer close(done)
		_ = cmd.Wait() // However it ended, it was killed or its log says why.
		_ = log.Close()
	}(s.cmd, s.done)
	return nil
}

// Kill kills the process and waits until it has gone.
func (s *Server) Kill() error {
	if s.done == nil {
		return nil
	}
	if err := s.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("killing %s: %w", filepath.Base(s.path), err)
	}
	<-s.done
	return nil
}

// Running returns an error that names the log if the process has gone.
func (s *Server) Running() error {
	select {
	case <-s.done:
		return fmt.Errorf("%s has ended (%v), see %s", filepath.Base(s.path), s.cmd.ProcessState, s.log)
	default:
		return nil
	}
}

// Signal sends the process a signal.
func (s *Server) Signal(sig syscall.Signal) error { return s.cmd.Process.Signal(sig) }
