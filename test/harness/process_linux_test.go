// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

func TestASuspendedProcessStandsStillAtOnce(t *testing.T) {
	busy := exec.Command("yes")
	if err := busy.Start(); err != nil { // Its output goes nowhere.
		t.Fatal(err)
	}
	defer func() {
		_ = busy.Process.Kill()
		_ = busy.Wait()
	}()
	for try := range 200 {
		if err := suspend(busy.Process); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", busy.Process.Pid))
		if err != nil {
			t.Fatal(err)
		}
		if state := strings.Fields(string(text))[2]; state != "T" {
			t.Fatalf("suspended for the %dth time it is in state %s, want T", try+1, state)
		}
		if err := resume(busy.Process); err != nil {
			t.Fatal(err)
		}
	}
	if err := busy.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = busy.Wait()
	if err := suspend(busy.Process); err == nil {
		t.Error("a process that has ended was suspended")
	}
}
