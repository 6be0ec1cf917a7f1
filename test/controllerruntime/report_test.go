// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestReportIsReadBySpec(t *testing.T) {
	report := filepath.Join(t.TempDir(), "report.json")
	text := `[{"SpecReports":[
		{"ContainerHierarchyTexts":null,"LeafNodeType":"BeforeSuite","LeafNodeText":"","State":"passed"},
		{"ContainerHierarchyTexts":["manager","Start"],"LeafNodeType":"It","LeafNodeText":"starts","State":"passed"},
		{"ContainerHierarchyTexts":["manager","Start"],"LeafNodeType":"It","LeafNodeText":"starts","State":"failed"}]}]`
	if err := os.WriteFile(report, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := readReport(report)
	want := results{"BeforeSuite": "passed", "manager: Start: starts": "passed", "manager: Start: starts (2)": "failed"}
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	if _, err := readReport(report + "x"); err == nil {
		t.Error("got no error for a missing report")
	}
}

func TestSpecsThatDoWorseOnOursAreFaults(t *testing.T) {
	for name, test := range map[string]struct {
		theirs, ours results
		faults       []string
	}{
		"the same":      {results{"a": passed, "b": "failed"}, results{"a": passed, "b": "failed"}, nil},
		"ours passes":   {results{"a": passed, "b": "failed"}, results{"a": passed, "b": passed}, nil},
		"ours fails":    {results{"a": passed}, results{"a": "failed"}, []string{"s, w: a: passed on controller-runtime's, failed on ours"}},
		"ours skips":    {results{"a": passed}, results{"a": "skipped"}, []string{"s, w: a: passed on controller-runtime's, skipped on ours"}},
		"ours is short": {results{"a": passed, "b": passed}, results{"a": passed}, []string{"s, w: b: passed on controller-runtime's, not run on ours"}},
		"ours has more": {results{"a": passed}, results{"a": passed, "b": passed}, []string{"s, w: b: not run on controller-runtime's, passed on ours"}},
		"nothing":       {nil, nil, []string{"s, w: no spec passes on controller-runtime's"}},
	} {
		if got := (compared{"s", "w", test.theirs, test.ours}).faults(); !slices.Equal(got, test.faults) {
			t.Errorf("%s: got %q, want %q", name, got, test.faults)
		}
	}
}
