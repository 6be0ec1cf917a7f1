// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// childVariable is set in processes that this program has started as replicas. They read a task from standard input,
// write JSON values to standard output, and end when standard input does: with this program, however it ends.
const childVariable = "ELECTOR_BENCH_CHILD"

// task is what a child process is told.
type task struct {
	Role       string // idle, growth, frozen or rates
	Subject    string
	Kubeconfig string
	Namespace  string
	Leases     []string // one candidate for each
	Identity   string   // the candidates' identities begin with it
	Timing     timing

	Look   bool // frozen: whether the work asks for IsLeader
	Shared bool // idle: whether all candidates use one clientset
	Lead   bool // idle: whether all lead
	Window duration
	Moves  int // growth: hand-overs
	Faults int // rates: of faultAnswers
}

// childMain runs a child process if this is one. Both this program and its test binary begin with it.
func childMain() (code int, isChild bool) {
	if os.Getenv(childVariable) == "" {
		return 0, false
	}
	if err := childRun(context.Background(), bufio.NewReader(os.Stdin), json.NewEncoder(os.Stdout)); err != nil {
		fmt.Fprintln(os.Stderr, "bench: child:", err)
		return 1, true
	}
	return 0, true
}

func childRun(ctx context.Context, in *bufio.Reader, out *json.Encoder) error {
	line, err := in.ReadBytes('\n')
	if err != nil {
		return err
	}
	var t task
	if err := json.Unmarshal(line, &t); err != nil {
		return err
	}
	if t.Role == "rates" {
		runRates(t, out)
	}
	cfg, err := clientcmd.BuildConfigFromFlags("", t.Kubeconfig)
	if err != nil {
		return err
	}
	s, err := subjectNamed(t.Subject)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		defer cancel()
		_, _ = io.Copy(io.Discard, in) // Its end is the news.
	}()
	switch t.Role {
	case "frozen":
		return runFrozen(ctx, cfg, s, t, out)
	case "growth":
		return runGrowth(ctx, cfg, s, t, out)
	case "idle":
		return runIdle(ctx, cfg, s, t, out)
	}
	return fmt.Errorf("no such role: %q", t.Role)
}

// seat is that of the task's i-th candidate.
func (t task) seat(i int, lead func(context.Context)) seat {
	return seat{t.Namespace, t.Leases[i], fmt.Sprintf("%s-%d", t.Identity, i), lead}
}

// candidate makes one with a clientset of its own.
func (t task) candidate(cfg *rest.Config, s subject, seat seat) (candidate, error) {
	w, err := s.way(newLink().config(cfg), t.Timing)
	if err != nil {
		return nil, err
	}
	return s.candidate(w, seat, t.Timing)
}

// child is a child process, seen from its parent.
type child struct {
	cmd    *exec.Cmd
	stdin  io.Closer
	values *json.Decoder
}

// startChild starts this program again, with a task.
func startChild(ctx context.Context, t task) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := &child{cmd: exec.CommandContext(ctx, self)} //nolint:gosec // It is this program.
	c.cmd.Env = append(os.Environ(), childVariable+"=1")
	c.cmd.Stderr = os.Stderr
	c.cmd.SysProcAttr = dieWithParent()
	in, err := c.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	c.stdin, c.values = in, json.NewDecoder(out)
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	if err := json.NewEncoder(in).Encode(t); err != nil {
		return nil, errors.Join(err, c.stop())
	}
	return c, nil
}

// stop ends the process and waits for it.
func (c *child) stop() error {
	_ = c.stdin.Close() // Closed or broken, the child sees its end.
	if err := c.cmd.Wait(); err != nil {
		return fmt.Errorf("child process: %w", err)
	}
	return nil
}
