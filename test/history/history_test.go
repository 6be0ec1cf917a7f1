// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package history

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestASavedHistoryHasALineForEachEvent(t *testing.T) {
	file := filepath.Join(t.TempDir(), "made", "history.txt")
	if err := handover().Save(file); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	if len(lines) != len(handover()) {
		t.Fatalf("%d lines of %d events", len(lines), len(handover()))
	}
	for i, e := range handover() {
		if !strings.Contains(lines[i], string(e.Kind)) || !strings.Contains(lines[i], e.Replica) || !strings.Contains(lines[i], e.Token) {
			t.Errorf("%q does not say %v", lines[i], e)
		}
	}
}
