// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
)

// childVariable is set in processes that [StartProcess] has started.
const childVariable = "ELECTOR_TEST_CHILD"

// A Process is this program again, as a child. It reads a task from its standard input, writes JSON values to its
// standard output, and ends when its standard input does, and so with this program, however that ends.
type Process struct {
	*exec.Cmd
	Values *json.Decoder
	output io.Reader
	input  io.Closer
}

// StartProcess starts this program again. Its program name is name, and it logs to log. It is killed when ctx ends.
func StartProcess(ctx context.Context, name string, task any, log io.Writer, env ...string) (*Process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self) //nolint:gosec // It is this program.
	cmd.Args = []string{name}
	cmd.Env = append(append(os.Environ(), childVariable+"=1"), env...)
	cmd.Stderr = log
	cmd.SysProcAttr = ownGroup()
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &Process{cmd, json.NewDecoder(out), out, in}
	if err := json.NewEncoder(in).Encode(task); err != nil {
		return nil, errors.Join(err, p.Stop())
	}
	return p, nil
}

// Stop closes the standard input of the process, and waits until it has ended. It returns an error if it fails.
func (p *Process) Stop() error {
	_ = p.input.Close() // Closed or broken, the process sees its end.
	_, _ = io.Copy(io.Discard, p.output)
	if err := p.Wait(); err != nil {
		return fmt.Errorf("child process: %w", err)
	}
	return nil
}

// Suspend stops the process with SIGSTOP and returns when it stands still.
func (p *Process) Suspend() error { return suspend(p.Process) }

// Resume continues the process with SIGCONT.
func (p *Process) Resume() error {
	if err := resume(p.Process); !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return nil
}

// Child runs the task of this process if [StartProcess] has started it. Programs, and their TestMain, call it first,
// and exit with the code if this is a child. run gets the rest of standard input, which ends with the parent.
func Child[Task any](run func(Task, io.Reader) error) (code int, isChild bool) {
	if os.Getenv(childVariable) == "" {
		return 0, false
	}
	in := bufio.NewReader(os.Stdin)
	line, err := in.ReadBytes('\n')
	var task Task
	if err == nil {
		err = json.Unmarshal(line, &task)
	}
	if err == nil {
		err = run(task, in)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", os.Args[0], err)
		return 1, true
	}
	return 0, true
}

// AwaitEnd returns when in, the rest of standard input, ends.
func AwaitEnd(in io.Reader) { _, _ = io.Copy(io.Discard, in) }
