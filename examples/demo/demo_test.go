// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// patience is how long a test waits for what happens in well under half of it.
const patience = time.Minute

// shortTimes makes a crash cost four seconds, and leaves the leader three to be slow in.
var shortTimes = []string{"--lease-duration=4s", "--renew-deadline=3s", "--retry-period=500ms", "--pause=500ms"}

// assets returns the directory of the control plane's binaries. Without it nothing here can be tested, which is a
// failure.
func assets(t *testing.T) string {
	t.Helper()
	dir := os.Getenv(assetsVariable)
	if dir == "" {
		dir = filepath.FromSlash("../../bin/envtest")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(assetsVariable, dir)
	if err := checkAssets(); err != nil {
		t.Fatal(err)
	}
	return dir
}

// demo is the demo, running as a process.
type demo struct {
	t    *testing.T
	cmd  *exec.Cmd
	dir  string // every process of this demo has it in its arguments
	done chan struct{}

	mu      sync.Mutex // guards what is below
	output  bytes.Buffer
	written chan struct{} // closed at the next writing
}

// startDemo starts the demo. When the test ends, no process of it may be left.
func startDemo(t *testing.T, args ...string) *demo {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	d := &demo{t: t, dir: t.TempDir(), done: make(chan struct{}), written: make(chan struct{})}
	d.cmd = exec.Command(self, append([]string{"--out=" + filepath.Join(d.dir, "out")}, args...)...)
	// etcd and kube-apiserver have their directories in TMPDIR. The tree is another user's to git, which then says nothing
	// about it. No flag of the user's own helps.
	d.cmd.Env = append(os.Environ(), asDemo+"=1", "TMPDIR="+d.dir, "GIT_TEST_ASSUME_DIFFERENT_OWNER=1", "GOFLAGS=-buildvcs=auto")
	d.cmd.Stdout, d.cmd.Stderr = d, d
	d.cmd.SysProcAttr = ownGroup()
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(d.done)
		_ = d.cmd.Wait() // Its state is asked for.
	}()
	t.Cleanup(func() {
		if err := d.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			t.Error(err)
		}
		<-d.done
		d.wantNothingLeft()
		if t.Failed() {
			t.Logf("the demo said:\n%s", d.text())
		}
	})
	return d
}

func (d *demo) Write(data []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	close(d.written)
	d.written = make(chan struct{})
	return d.output.Write(data)
}

func (d *demo) text() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.output.String()
}

// awaitText waits until the demo has said something.
func (d *demo) awaitText(want string) {
	d.t.Helper()
	limit := time.After(patience)
	for {
		d.mu.Lock()
		found, written := strings.Contains(d.output.String(), want), d.written
		d.mu.Unlock()
		if found {
			return
		}
		select {
		case <-written:
		case <-d.done:
			if strings.Contains(d.text(), want) {
				return
			}
			d.t.Fatalf("the demo has ended without saying %q", want)
		case <-limit:
			d.t.Fatalf("after %v the demo has not said %q", patience, want)
		}
	}
}

// awaitEnd waits for the demo to end and returns its exit code.
func (d *demo) awaitEnd() int {
	d.t.Helper()
	select {
	case <-d.done:
	case <-time.After(patience):
		d.t.Fatalf("after %v the demo has not ended", patience)
	}
	return d.cmd.ProcessState.ExitCode()
}

// wantNothingLeft waits for the last processes of the demo to end. If it was killed, they notice that by themselves.
func (d *demo) wantNothingLeft() {
	d.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		left := processes(d.t, d.dir)
		if len(left) == 0 {
			return
		}
		if time.Now().After(deadline) {
			d.t.Errorf("these processes are left:\n%s", strings.Join(left, "\n"))
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// processes returns the command lines of all processes that contain the text.
func processes(t *testing.T, text string) []string {
	t.Helper()
	var found []string
	if runtime.GOOS != "linux" {
		all, err := exec.Command("ps", "-axo", "args=").Output()
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(all)) {
			if strings.Contains(line, text) {
				found = append(found, strings.TrimSpace(line))
			}
		}
		return found
	}
	all, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range all {
		line, err := os.ReadFile(path)
		if err == nil && bytes.Contains(line, []byte(text)) { // An error is a process that has gone meanwhile.
			found = append(found, string(bytes.ReplaceAll(line, []byte{0}, []byte{' '})))
		}
	}
	return found
}
