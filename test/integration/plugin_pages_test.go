// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"bufio"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// pageCommand finds calls of the plugin in Markdown, up to a pipe, a comment or a backquote.
var pageCommand = regexp.MustCompile("kubectl elector ([a-z][^|#&\n`]*)")

// Every command on the pages is run as it stands there, with a Lease of client-go for NAME.
func pluginPages(t *testing.T, p *plugin) {
	ns := namespace(t)
	putLease(t, ns, "lease", "c")
	placeholders := strings.NewReplacer("NAMESPACE", ns, "NAME", "lease", "SERVICEACCOUNT", "operator", "my-operator", "lease")
	pages, err := filepath.Glob("../../examples/operator/runbooks/*.md")
	if err != nil {
		t.Fatal(err)
	}
	ran := map[string]int{}
	for _, page := range append(pages, "../../README.md", "../../elector/TROUBLESHOOTING.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range pageCommand.FindAllStringSubmatch(string(text), -1) {
			args := strings.Fields(placeholders.Replace(found[1]))
			if ran[strings.Join(args, " ")]++; ran[strings.Join(args, " ")] > 1 {
				continue
			}
			switch args[0] {
			case "watch":
				p.firstLine(t, ns, args, "  leads     c")
			case "step-down":
				p.run(t, ns, args...).want(t, 3, "c cannot be asked", "")
			default:
				code := 0
				if strings.Contains(found[1], "--check-as") {
					code = 3
				}
				if r := p.run(t, ns, args...); r.code != code {
					t.Errorf("%s: %q: exit code %d\n%s%s", filepath.Base(page), found[0], r.code, r.out, r.err)
				}
			}
		}
	}
	if len(ran) < 8 {
		t.Errorf("only %d different commands were found: %v", len(ran), ran)
	}
}

// firstLine runs a command until it has printed a line.
func (p *plugin) firstLine(t *testing.T, namespace string, args []string, want string) {
	t.Helper()
	cmd := p.command(t, namespace, args...)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stdout)
	if !lines.Scan() || !strings.Contains(lines.Text(), want) {
		t.Errorf("%q printed %q, want %q", args, lines.Text(), want)
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("%q, interrupted: %v", args, err)
	}
}
