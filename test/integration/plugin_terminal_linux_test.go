// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// terminal returns both ends of a terminal of that many columns.
func terminal(t *testing.T, columns uint16) (screen, program *os.File) {
	t.Helper()
	screen, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = screen.Close() })
	fd := int(screen.Fd()) //nolint:gosec // a file descriptor fits
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 40, Col: columns}); err != nil {
		t.Fatal(err)
	}
	program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return screen, program
}

// shown returns what the plugin prints on a terminal.
func (p *plugin) shown(t *testing.T, columns uint16, namespace string, env []string, args ...string) string {
	t.Helper()
	screen, program := terminal(t, columns)
	cmd := p.command(t, namespace, args...)
	cmd.Stdout, cmd.Env = program, append(append(cmd.Env, "TERM=xterm", "NO_COLOR="), env...)
	err := cmd.Run()
	_ = program.Close()
	if err != nil {
		t.Fatal(err)
	}
	text, _ := io.ReadAll(screen) // Linux reports the end as an error
	return strings.ReplaceAll(string(text), "\r\n", "\n")
}

var escapes = regexp.MustCompile("\x1b\\[[0-9]*m")

var terminalTests = map[string]func(*testing.T, *plugin){"FitsItsTerminal": pluginTerminal}

func pluginTerminal(t *testing.T, p *plugin) {
	ns := namespace(t)
	const name = "beacon-operator.demo.kube-elector.io.with-a-name-that-is-too-long"
	putLease(t, ns, name, "beacon-operator-7d4b9c6f5-x2x4p_0f8fad5b-d9cb-469f-a165-70867728950e")
	for _, columns := range []uint16{80, 60} {
		for _, args := range [][]string{{"status"}, {"status", name}} {
			text := p.shown(t, columns, ns, nil, args...)
			if !strings.Contains(text, "\x1b[32m") {
				t.Errorf("%q prints no colors on a terminal:\n%q", args, text)
			}
			for line := range strings.Lines(escapes.ReplaceAllString(text, "")) {
				long := strings.Contains(line, name) || strings.Contains(line, "70867728950e") // whole, to be copied
				if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > int(columns) && !(long && len(args) == 2) {
					t.Errorf("%q prints %d columns on a terminal of %d: %s", args, n, columns, line)
				}
			}
		}
	}
	if text := p.shown(t, 80, ns, nil, "status"); !strings.Contains(text, "x2x4p_…") {
		t.Errorf("the pod's name is cut off:\n%s", text)
	}
	if text := p.shown(t, 80, ns, []string{"NO_COLOR=1"}, "status"); strings.Contains(text, "\x1b") {
		t.Errorf("NO_COLOR is not heeded:\n%q", text)
	}
	if text := p.shown(t, 60, ns, nil, "status", "-o", "wide"); !strings.Contains(text, name) {
		t.Errorf("wide does not show everything:\n%s", text)
	}
}
