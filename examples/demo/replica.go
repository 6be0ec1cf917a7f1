// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/kube-elector/elector/examples/operator/report"
)

const (
	operatorPackage = "github.com/kube-elector/elector/examples/operator"
	reportInterval  = 100 * time.Millisecond
	killDelay       = 5 * time.Second // for go build to end when it is interrupted
)

// buildOperator compiles examples/operator into dir, so that the replicas are the example and not something like it.
func buildOperator(ctx context.Context, dir string) (string, error) {
	path := filepath.Join(dir, "operator")
	cmd := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-o", path, operatorPackage)
	cmd.SysProcAttr = ownGroup()
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) }
	cmd.WaitDelay = killDelay
	output, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	if err != nil {
		return "", fmt.Errorf("building examples/operator: %w\n%s", err, output)
	}
	return path, nil
}

// replica is a process of the operator.
type replica struct {
	name  string
	cmd   *exec.Cmd
	ended chan struct{} // closed when the process has gone and all that it said is on the board
	asked atomic.Bool   // to end
	err   error         // of the process, to be read after ended
}

// ownGroup keeps a terminal's Ctrl-C from a process, which the demo stops itself. If the demo is killed, a replica
// still ends. It does so when it next reports, since nobody reads that. If it is frozen, the kernel wakes an orphaned
// group with SIGHUP.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// replicaLog returns the name of the file with the log of all processes of a replica in one demo.
func replicaLog(name string) string { return "replica-" + name + ".log" }

// startReplica starts the process of a Pod's container.
func startReplica(ctx context.Context, b *board, p *pod, o options, operator string, number int) (*replica, error) {
	c, name := p.cluster, p.object.Name
	metrics := "0"
	if o.metricsPort != 0 {
		metrics = metricsAddress(o.metricsPort + number)
	}
	log, err := os.OpenFile(filepath.Join(o.out, replicaLog(name)), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	args := []string{
		"--kubeconfig=" + c.kubeconfig, "--leader-elect",
		"--leader-elect-lease-duration=" + o.leaseDuration.String(),
		"--leader-elect-renew-deadline=" + o.renewDeadline.String(),
		"--leader-elect-retry-period=" + o.retryPeriod.String(),
		"--shards=" + strconv.Itoa(o.shards),
		"--metrics-bind-address=" + metrics, "--health-probe-bind-address=0",
		"--report-interval=" + reportInterval.String(),
		"--crash-detection", "--termination-log=" + p.log,
	}
	if o.kubeconfig == "" { // Nothing on the way to an API server of its own holds a dead leader's requests back.
		args = append(args, "--crash-grace=-1s")
	}
	cmd := exec.Command(operator, args...)
	cmd.Env = append(os.Environ(), "POD_NAME="+name, "POD_NAMESPACE="+c.namespace, "POD_UID="+string(p.object.UID))
	cmd.SysProcAttr = ownGroup()
	cmd.Stderr = log
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, errors.Join(err, log.Close())
	}
	b.note(event{At: time.Now(), Replica: name, Kind: up})
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(err, log.Close())
	}
	r := &replica{name: name, cmd: cmd, ended: make(chan struct{})}
	go func() {
		defer close(r.ended)
		defer func() { _ = log.Close() }()
		last := follow(out, log, func(at time.Time, what report.Report) { b.observe(name, at, what) })
		r.err = cmd.Wait()
		b.note(event{At: time.Now(), Replica: name, Kind: exited, Detail: cmd.ProcessState.String()})
		if done, err := p.ended(ctx, cmd.ProcessState); err != nil {
			b.fail(err)
		} else if done {
			b.note(event{At: time.Now(), Replica: name, Kind: reported})
		}
		if !r.asked.Load() {
			b.fail(fmt.Errorf("replica %s has ended by itself (%s): %s", name, cmd.ProcessState, last))
		}
	}()
	return r, nil
}

// follow reads a replica's log to its end. It passes the reports on, keeps the other lines, and returns the last.
func follow(in io.Reader, log io.Writer, observe func(time.Time, report.Report)) (last string) {
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadBytes('\n')
		at, r, found := report.Parse(line)
		if found {
			observe(at, r)
		}
		if len(line) > 0 && (!found || r.Event != report.EventState) {
			last = strings.TrimSpace(string(line))
			_, _ = log.Write(line) // The demo does not depend on it.
		}
		if err != nil {
			return last
		}
	}
}

// signal sends the process a signal. Those by which it is to end make its end an expected one.
func (r *replica) signal(s syscall.Signal) error {
	if s == syscall.SIGTERM || s == syscall.SIGKILL {
		r.asked.Store(true)
	}
	if err := r.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("sending %v to replica %s: %w", s, r.name, err)
	}
	return nil
}

// stop ends the process, whatever it is doing, and waits for it. It asks first, unless grace is 0.
func (r *replica) stop(grace time.Duration) error {
	if grace > 0 {
		// A frozen process keeps the request until it goes on.
		if err := errors.Join(r.signal(syscall.SIGTERM), r.signal(syscall.SIGCONT)); err != nil {
			return err
		}
		select {
		case <-r.ended:
			return nil
		case <-time.After(grace):
		}
	}
	if err := r.signal(syscall.SIGKILL); err != nil {
		return err
	}
	<-r.ended
	return nil
}

func metricsAddress(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// checkPorts finds out early, and says which, if a port is taken.
func checkPorts(o options) error {
	if o.metricsPort == 0 {
		return nil
	}
	for i := range o.replicas {
		l, err := net.Listen("tcp", metricsAddress(o.metricsPort+i))
		if err != nil {
			return fmt.Errorf("--metrics-port: port %d: %w", o.metricsPort+i, err)
		}
		if err := l.Close(); err != nil {
			return err
		}
	}
	return nil
}
