// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"k8s.io/client-go/rest"

	"github.com/kube-elector/elector/test/harness"
)

// server is an API server, as an administrator.
type server struct{ Host, Token, CAFile string }

// task is what a child process is told.
type task struct {
	Role    string // idle, growth, frozen or rates
	Subject string
	server
	Namespace string
	Leases    []string // one candidate for each
	Identity  string   // the candidates' identities begin with it
	Timing    timing

	Look   bool // frozen: whether the work asks for IsLeader
	Shared bool // idle: whether all candidates use one clientset
	Lead   bool // idle: whether all lead
	Window duration
	Moves  int // growth: hand-overs
	Faults int // rates: of faultAnswers
}

// childMain runs a child process if this is one. Both this program and its test binary begin with it.
func childMain() (code int, isChild bool) { return harness.Child(childRun) }

func childRun(t task, in io.Reader) error {
	out := json.NewEncoder(os.Stdout)
	if t.Role == "rates" {
		runRates(t, out)
	}
	s, err := subjectNamed(t.Subject)
	if err != nil {
		return err
	}
	cfg := &rest.Config{Host: t.Host, BearerToken: t.Token, QPS: -1}
	cfg.CAFile = t.CAFile
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		defer cancel()
		harness.AwaitEnd(in)
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

// server returns how a child process reaches the API server.
func (b *bench) server() server {
	return server{b.plane.Config.Host, b.plane.Config.BearerToken, b.plane.Config.CAFile}
}

// seat returns the seat of the task's i-th candidate.
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

// startChild starts this program again, with a task.
func startChild(ctx context.Context, t task) (*harness.Process, error) {
	return harness.StartProcess(ctx, "bench", t, os.Stderr)
}
