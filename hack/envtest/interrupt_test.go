// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// eventually fails the test unless the condition becomes true in time.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("still not so: %s", what)
		}
	}
}

// startProgram runs args, which run the program in dir, until its go command is in the middle of a build.
func startProgram(t *testing.T, dir string, calls func() []string, args ...string) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
	cmd.Env = append(os.Environ(), "ENVTEST_RUN=1", "OUT="+dir)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	cmd.WaitDelay = 20 * time.Second // A child that lives on holds its standard error.
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the build goes on", func() bool { return len(calls()) == 1 })
	if names := filesIn(t, dir); len(names) != 2 {
		t.Fatalf("%s has %q, want a lock and a staging directory", dir, names)
	}
	return cmd, &stderr
}

// isDead reports whether the fake go command, or the compiler it started, has ended.
func isDead(name string) bool {
	file, err := os.Open(filepath.Join(os.Getenv("FAKE_GO_DIR"), name+".alive"))
	if err != nil {
		return false
	}
	defer func() { _ = file.Close() }()
	return syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil
}

func TestInterruptedBuildLeavesNothing(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		if signal.Ignored(sig) { // by nohup, for this process and its children
			continue
		}
		t.Run(sig.String(), func(t *testing.T) {
			calls := useFakeGo(t, "slow")
			dir := t.TempDir()
			cmd, stderr := startProgram(t, dir, calls, os.Args[0], "-out", dir)
			if err := cmd.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			if err := cmd.Wait(); cmd.ProcessState.ExitCode() != 1 {
				t.Fatalf("ended with %v, want exit status 1", err)
			}
			if !strings.Contains(stderr.String(), "stopped, nothing half-made is left") {
				t.Errorf("it said %q", stderr)
			}
			wantFiles(t, dir)
			for _, name := range []string{"go", "compile"} {
				eventually(t, name+" is dead", func() bool { return isDead(name) })
			}
		})
	}
}

func TestBuildEndsWithTheCommandThatStartedIt(t *testing.T) {
	calls := useFakeGo(t, "slow")
	dir := t.TempDir()
	// The shell plays `go run`, which ends at once on SIGTERM and does not pass the signal on.
	cmd, _ := startProgram(t, dir, calls, "sh", "-c", `"$0" -out "$OUT"; true`, os.Args[0])
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the staging directory is gone", func() bool { return len(filesIn(t, dir)) == 1 })
	eventually(t, "the go command is dead", func() bool { return isDead("go") })
	eventually(t, "the compiler is dead", func() bool { return isDead("compile") })
	_ = cmd.Wait()
}

func TestRunAfterAKilledOneCleansUpAndBuilds(t *testing.T) {
	calls := useFakeGo(t, "slow")
	dir := t.TempDir()
	cmd, _ := startProgram(t, dir, calls, os.Args[0], "-out", dir)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if names := filesIn(t, dir); len(names) != 2 {
		t.Fatalf("%s has %q, want what the killed process left", dir, names)
	}
	eventually(t, "the go command is dead", func() bool { return isDead("go") })
	t.Setenv("FAKE_GO", "ok")
	if err := ensureIn(t, dir, false); err != nil {
		t.Fatal(err)
	}
	wantCalls(t, calls, "slow", "etcd", "kube-apiserver")
	wantFiles(t, dir, ".etcd.stamp", ".kube-apiserver.stamp", "etcd", "kube-apiserver")
}
