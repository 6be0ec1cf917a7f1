// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

func TestEveryGuaranteeInTheDocIsNamedByATest(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	tested := map[string]bool{}
	files, _ := filepath.Glob("*_test.go")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?m)^func TestGuarantee(\d+)\D`).FindAllSubmatch(text, -1) {
			tested[string(m[1])] = true
		}
	}
	guarantees := regexp.MustCompile(`(?m)^//  (\d+)\. `).FindAllSubmatch(doc, -1)
	if len(guarantees) != 12 {
		t.Errorf("doc.go has %d guarantees, want 12", len(guarantees))
	}
	for _, g := range guarantees {
		if !tested[string(g[1])] {
			t.Errorf("no test is called TestGuarantee%s…", g[1])
		}
	}
}
