// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

// runGroup runs a command made by exec.CommandContext with ctx, and calls line for each line of its standard error.
// When ctx ends it kills the command and all its children. They write into the staging directory and the go command's
// caches, which tolerate that. If this process is killed, the go command dies by SIGPIPE at its next line.
func runGroup(ctx context.Context, cmd *exec.Cmd, env []string, line func(string)) error {
	lines := &lineWriter{line: line}
	cmd.Stderr = lines
	cmd.Env = append(os.Environ(), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	name := strings.Join(cmd.Args[:min(2, len(cmd.Args))], " ")
	if err := cmd.Start(); err != nil {
		if errors.Is(err, exec.ErrNotFound) {
			return fmt.Errorf("%w: Go is needed, see https://go.dev/dl", err)
		}
		return err
	}
	err := cmd.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	lines.flush()
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// A lineWriter calls line with whole lines, without their ends.
type lineWriter struct {
	line func(string)
	part []byte
}

func (w *lineWriter) Write(data []byte) (int, error) {
	w.part = append(w.part, data...)
	for {
		line, rest, found := bytes.Cut(w.part, []byte("\n"))
		if !found {
			return len(data), nil
		}
		w.line(string(line))
		w.part = rest
	}
}

func (w *lineWriter) flush() {
	if len(w.part) > 0 {
		w.line(string(w.part))
		w.part = nil
	}
}
