// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestHelpFitsATerminalOf80Columns(t *testing.T) {
	calls := [][]string{{}, {"options"}}
	for _, c := range commands {
		calls = append(calls, []string{"help", c.name})
	}
	for _, args := range calls {
		var out, errs bytes.Buffer
		if code := run(t.Context(), args, &out, &errs); code != exitDone || errs.Len() > 0 || out.Len() < 20 {
			t.Errorf("%q: exit code %d\n%s%s", args, code, out.String(), errs.String())
		}
		fits(t, out.String(), helpWidth)
	}
}

// kubectl passes on what follows the plugin's name, flags before the command too.
func TestFlagsMayStandAnywhere(t *testing.T) {
	for _, args := range [][]string{
		{"-n", "ns", "status", "--kubeconfig=/nowhere"},
		{"status", "lease", "-nns", "--kubeconfig", "/nowhere"},
		{"--kubeconfig", "/nowhere", "watch", "--namespace=ns", "lease"},
	} {
		var out, errs bytes.Buffer
		if code := run(t.Context(), args, &out, &errs); code != exitFailed || !strings.Contains(errs.String(), "/nowhere") {
			t.Errorf("%q: exit code %d, %s", args, code, errs.String())
		}
	}
}
