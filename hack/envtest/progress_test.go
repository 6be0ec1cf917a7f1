// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestTrackerCountsWhatIsReallyToBeCompiled(t *testing.T) {
	tr := newTracker("m", 9)
	steps := []struct{ line, want string }{
		{"", "looking up what is to be compiled"},
		{"go: downloading example.com/x v1.0.0", "downloading modules: 1 of at most 9, example.com/x v1.0.0"},
		{"go: downloading example.com/y v1.2.0", "downloading modules: 2 of at most 9, example.com/y v1.2.0"},
		{"plan", "compiling packages: 0 of 4 (0%) "},
		{"a", "compiling packages: 1 of 4 (25%) a"},
		{"b", "compiling packages: 2 of 4 (50%) b"},
		{"# a", "compiling packages: 2 of 4 (50%) b"},
		{"cached", "compiling packages: 3 of 5 (60%) cached"},
		{"m", "linking"},
	}
	for _, step := range steps {
		switch step.line {
		case "":
		case "plan":
			tr.plan("unsafe \ncached \na compile\nb compile\nc compile\nm compile\n")
		default:
			tr.line(step.line)
		}
		if got := tr.status(); got != step.want {
			t.Errorf("after %q: %q, want %q", step.line, got, step.want)
		}
	}
}

func TestTrackerWithAllInTheBuildCacheIsLinking(t *testing.T) {
	tr := newTracker("m", 9)
	tr.plan("unsafe \na \nm \n")
	if got := tr.status(); got != "linking" {
		t.Errorf("%q, want linking", got)
	}
}

func TestTrackerExplainsWithTheLastLines(t *testing.T) {
	tr := newTracker("m", 0)
	tr.plan("a compile\nm compile\n")
	for i := range 100 {
		tr.line("a")
		tr.line(fmt.Sprintf("a.go:%d: wrong", i))
	}
	cause := errors.New("exit status 1")
	err := tr.explain(cause)
	if !errors.Is(err, cause) {
		t.Errorf("%v does not wrap its cause", err)
	}
	lines := strings.Split(err.Error(), "\n\t")
	if len(lines) != 21 || lines[1] != "a.go:80: wrong" || lines[20] != "a.go:99: wrong" {
		t.Errorf("it has %q, want the last twenty lines", lines)
	}
}

func TestDisplayInALogPrintsALineEveryTenSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		d := newDisplay(&out, nil)
		d.say("hello")
		time.Sleep(time.Second / 2)
		for i := range 25 {
			d.set("step %d", i)
			time.Sleep(time.Second)
		}
		d.say("done")
		time.Sleep(time.Minute)
		d.close()
		want := "envtest: hello\nenvtest: [10s] step 9\nenvtest: [20s] step 19\nenvtest: done\n"
		if got := out.String(); got != want {
			t.Errorf("printed %q, want %q", got, want)
		}
	})
}

func TestDisplayOnATerminalKeepsToOneLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		d := newDisplay(&out, func() int { return 30 })
		d.set("something that is longer than the terminal is wide")
		time.Sleep(liveEvery + time.Millisecond)
		d.say("hello")
		d.set("more")
		time.Sleep(liveEvery)
		d.close()
		want := []string{"", "envtest: [0s] something that \x1b[K", "\x1b[Kenvtest: hello\n", "envtest: [0s] more\x1b[K", "\x1b[K"}
		if got := strings.Split(out.String(), "\r"); !slices.Equal(got, want) {
			t.Errorf("wrote %q, want %q", got, want)
		}
	})
}
