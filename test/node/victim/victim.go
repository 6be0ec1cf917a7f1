// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

// Package victim finds the processes of containers on the machine that it runs on, and ends them.
package victim

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Signals to a process that make it crash as if by itself, or stand still. The operator exits with 1 when it gets a
// second signal before the first has ended it. A Go program that gets SIGQUIT ends as after a panic.
var (
	Kill  = []syscall.Signal{syscall.SIGKILL}
	Exit  = []syscall.Signal{syscall.SIGSTOP, syscall.SIGTERM, syscall.SIGINT, syscall.SIGCONT}
	Panic = []syscall.Signal{syscall.SIGQUIT}
	Stop  = []syscall.Signal{syscall.SIGSTOP}
)

// A Process is the first one of a container. The file keeps its number from being another's.
type Process struct {
	PID int
	fd  int
}

// Find returns the first process of the container with the ID, as the Pod's status has it.
func Find(container string) (*Process, error) {
	_, id, _ := strings.Cut(container, "://")
	files, err := filepath.Glob("/proc/[0-9]*/cgroup")
	if err != nil || id == "" {
		return nil, fmt.Errorf("container %q: no ID: %w", container, err)
	}
	for _, file := range files {
		group, err := os.ReadFile(file)
		if err != nil || !strings.Contains(string(group), id) {
			continue
		}
		status, err := os.ReadFile(filepath.Join(filepath.Dir(file), "status"))
		_, rest, _ := strings.Cut(string(status), "\nNSpid:")
		numbers, _, _ := strings.Cut(rest, "\n")
		if of := strings.Fields(numbers); err != nil || len(of) < 2 || of[len(of)-1] != "1" {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err != nil {
			return nil, err
		}
		fd, err := unix.PidfdOpen(pid, 0)
		if err != nil {
			return nil, fmt.Errorf("process %d: %w", pid, err)
		}
		return &Process{pid, fd}, nil
	}
	return nil, fmt.Errorf("no process of container %s on this machine", id)
}

// Close forgets the process.
func (p *Process) Close() error { return unix.Close(p.fd) }

// Signal sends signals to the process.
func (p *Process) Signal(signals ...syscall.Signal) error {
	for _, signal := range signals {
		if err := unix.PidfdSendSignal(p.fd, signal, nil, 0); err != nil {
			return fmt.Errorf("sending process %d %v: %w", p.PID, signal, err)
		}
	}
	return nil
}

// Alive reports whether the process lives. A zombie does not.
func (p *Process) Alive() bool { return !p.ended(0) }

func (p *Process) ended(wait time.Duration) bool {
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(p.fd), Events: unix.POLLIN}}, int(wait.Milliseconds()))
		if !errors.Is(err, unix.EINTR) {
			return n > 0
		}
	}
}

// Death waits until the process has ended, and returns when that was.
func (p *Process) Death(timeout time.Duration) (time.Time, error) {
	if !p.ended(timeout) {
		return time.Time{}, fmt.Errorf("process %d still lives after %v", p.PID, timeout)
	}
	return time.Now(), nil
}

// Began returns when the process began, within 10 ms.
func (p *Process) Began() (time.Time, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.PID))
	if err != nil {
		return time.Time{}, err
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	ticks, err := strconv.ParseInt(strings.Fields(rest)[19], 10, 64) // since the machine began, 100 a second
	var now unix.Timespec
	err = errors.Join(err, unix.ClockGettime(unix.CLOCK_BOOTTIME, &now))
	return time.Now().Add(time.Duration(ticks)*10*time.Millisecond - time.Duration(now.Nano())), err
}

// Parent returns the process's parent: the shim of its container, if that lives.
func (p *Process) Parent() (int, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.PID))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return strconv.Atoi(strings.Fields(rest)[1])
}

// Cgroup returns the directory of the process's cgroup of a controller.
func (p *Process) Cgroup(controller string) (string, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", p.PID))
	for line := range strings.Lines(string(text)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		switch {
		case slices.Contains(strings.Split(parts[1], ","), controller):
			return filepath.Join("/sys/fs/cgroup", controller, parts[2]), nil
		case parts[1] == "" && !strings.Contains(string(text), ":"+controller+":"):
			return filepath.Join("/sys/fs/cgroup", parts[2]), nil
		}
	}
	return "", fmt.Errorf("process %d: no cgroup of %s: %w", p.PID, controller, err)
}

// Exhaust makes another process run out of memory. This process eats what the cgroup of that may have, and the kernel
// finds the other one the better victim.
func Exhaust(pid int) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return err
	}
	p := &Process{pid, fd}
	group, err := p.Cgroup("memory")
	if err != nil {
		return err
	}
	if err := errors.Join(
		os.WriteFile(fmt.Sprintf("/proc/%d/oom_score_adj", p.PID), []byte("1000"), 0o600),
		os.WriteFile(filepath.Join(group, "cgroup.procs"), []byte(strconv.Itoa(os.Getpid())), 0o600),
	); err != nil {
		return err
	}
	var eaten [][]byte
	for p.Alive() {
		piece := make([]byte, 1<<20)
		for i := range piece {
			piece[i] = 1
		}
		eaten = append(eaten, piece)
	}
	_ = eaten
	return nil
}
