// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// rule is an alert of prometheus/rules.yaml.
type rule struct {
	Alert       string
	Annotations map[string]string
}

func alerts(t *testing.T) []rule {
	t.Helper()
	text, err := Files.ReadFile("prometheus/rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var object struct {
		Spec struct{ Groups []struct{ Rules []rule } }
	}
	if err := yaml.Unmarshal(text, &object); err != nil {
		t.Fatal(err)
	}
	var all []rule
	for _, group := range object.Spec.Groups {
		all = append(all, group.Rules...)
	}
	if len(all) == 0 {
		t.Fatal("there are no alerts")
	}
	return all
}

func TestEveryAlertHasARunbookAndEveryRunbookAnAlert(t *testing.T) {
	const (
		pages = "../runbooks"
		url   = "https://github.com/kube-elector/elector/blob/main/examples/operator/runbooks/"
	)
	files, err := filepath.Glob(pages + "/*.md")
	if err != nil {
		t.Fatal(err)
	}
	left := map[string]bool{}
	for _, file := range files {
		left[filepath.Base(file)] = true
	}
	for _, r := range alerts(t) {
		page := r.Alert + ".md"
		if got := r.Annotations["runbook_url"]; got != url+page {
			t.Errorf("the runbook_url of %s is %q, want %q", r.Alert, got, url+page)
		}
		if !left[page] {
			t.Errorf("%s has no page in %s", r.Alert, pages)
			continue
		}
		delete(left, page)
		text, err := os.ReadFile(filepath.Join(pages, page))
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"\n# " + r.Alert + "\n", "\n## What it means\n", "\n## What to look at\n", "\n## What to do\n"} {
			if !strings.Contains(string(text), want) {
				t.Errorf("%s does not contain %q", page, want)
			}
		}
	}
	for page := range left {
		t.Errorf("no alert leads to %s", page)
	}
}

// grepped are the patterns that a page looks for in logs.
var grepped = regexp.MustCompile(`kubectl logs .*\| grep (?:-E )?'([^']+)'`)

func TestWhatRunbooksLookForInLogsIsLogged(t *testing.T) {
	var source strings.Builder
	for _, dir := range []string{"elector", "elector/shards", "manager", "manager/fencing"} {
		files, err := filepath.Glob("../../../" + dir + "/*.go")
		if err != nil || len(files) == 0 {
			t.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasSuffix(file, "_test.go") {
				source.Write(text)
			}
		}
	}
	pages, err := filepath.Glob("../runbooks/*.md")
	if err != nil {
		t.Fatal(err)
	}
	var n int
	for _, page := range append(pages, "../../../elector/TROUBLESHOOTING.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if strings.Contains(line, "kubectl logs") && strings.Contains(line, " -l ") && !strings.Contains(line, "--tail=-1") {
				t.Errorf("%s reads only the last ten lines of each pod: %s", filepath.Base(page), line)
			}
		}
		for _, found := range grepped.FindAllStringSubmatch(string(text), -1) {
			for words := range strings.SplitSeq(found[1], "|") {
				n++
				if !strings.Contains(source.String(), words) {
					t.Errorf("%s looks for %q, which nothing logs", filepath.Base(page), words)
				}
			}
		}
	}
	if n < 20 {
		t.Errorf("only %d patterns were found", n)
	}
}

func TestEveryAlertIsTriedByAUnitTestOfPromtool(t *testing.T) {
	text, err := Files.ReadFile("prometheus/rules.test.yaml")
	if err != nil {
		t.Fatal(err)
	}
	tried := map[string]bool{}
	for _, found := range regexp.MustCompile(`\{alertname="(\w+)"\}`).FindAllStringSubmatch(string(text), -1) {
		tried[found[1]] = true
	}
	for _, r := range alerts(t) {
		if !tried[r.Alert] {
			t.Errorf("no test in rules.test.yaml makes %s fire", r.Alert)
		}
	}
}
