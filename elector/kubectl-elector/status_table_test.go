// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/utils/ptr"

	"github.com/kube-elector/elector/elector"
	"github.com/kube-elector/elector/elector/shards"
)

var update = flag.Bool("update", false, "write the golden files")

// golden compares the text with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s (go test -update writes it):\n%s\nwant\n%s", file, got, want)
	}
}

// cluster has a Lease of each sort.
func cluster() []coordinationv1.Lease {
	lease := func(namespace, name, holder string, change ...func(*coordinationv1.Lease)) coordinationv1.Lease {
		l := leaseOf(holder, change...)
		l.Namespace, l.Name = namespace, name
		return *l
	}
	last := func(l *coordinationv1.Lease) {
		l.Annotations[elector.LastTermAnnotation] = `{"holder":"beacon-operator-7d4b9c6f5-k8zwq_5e0c3ad1-7d0e-4d43-8f37-3a4dbd2a1b0c",` +
			`"token":"80211","reason":"step-down","message":"asked for by kubectl\u001b[2J","ended":"2026-11-26T08:59:59.9Z"}`
	}
	set := func(l *coordinationv1.Lease) { l.Labels = map[string]string{shards.SetLabel: "tenants"} }
	return []coordinationv1.Lease{
		lease("beacon-operator-system", "beacon-operator.demo.kube-elector.io",
			"beacon-operator-7d4b9c6f5-x2x4p_0f8fad5b-d9cb-469f-a165-70867728950e", signed("101"), last),
		lease("kube-system", "apiserver-6hknq3zq5qv2v3zc", "apiserver-6hknq3zq5qv2v3zc_1", func(l *coordinationv1.Lease) {
			l.Labels = map[string]string{"apiserver.kubernetes.io/identity": "kube-apiserver"}
		}),
		lease("kube-system", "kube-scheduler", "ip-10-0-1-12.eu-central-1.compute.internal_0b1d8f40-4d5e-4a3c-9c26-5f0b0d8f7c11",
			func(l *coordinationv1.Lease) { l.Spec.RenewTime = at(-5 * time.Minute) }),
		lease("team-a", "evil", "a\x1b[31mred\nx\u202eabc\u05d0日本語"),
		lease("team-a", "nothing", "", func(l *coordinationv1.Lease) { l.Spec = coordinationv1.LeaseSpec{} }),
		lease("team-a", "odd", "b", func(l *coordinationv1.Lease) {
			l.Spec.LeaseDurationSeconds, l.Spec.LeaseTransitions = ptr.To[int32](0), ptr.To[int32](-7)
		}),
		lease("team-b", "tenants-replica-6f1d2c3b4a596877", "tenants-0", set),
		lease("team-b", "tenants-shard-0", "tenants-0", set, func(l *coordinationv1.Lease) { l.Spec.RenewTime = at(-3 * time.Hour) }),
		lease("team-c", "a-name-that-is-quite-long."+strings.Repeat("long.", 8)+"end", strings.Repeat("long_", 20)),
	}
}

// screen returns what a terminal of the width shows, 0 if it is none.
func screen(width int, options func(*options)) (*session, *bytes.Buffer) {
	var out bytes.Buffer
	s := newSession(newOptions(), &out, &out)
	s.width, s.fixed = width, noon
	options(s.options)
	return s, &out
}

func TestTheTableFitsTheTerminal(t *testing.T) {
	for _, width := range []int{0, 120, 80, 60, 40} {
		s, out := screen(width, func(o *options) { o.all = true })
		if err := s.showAll(cluster(), policies{}, ""); err != nil {
			t.Fatal(err)
		}
		golden(t, fmt.Sprintf("table-%d.txt", width), out.String())
		fits(t, out.String(), width)
	}
}

func TestAHolderIsNotShortenedWhereThereIsRoom(t *testing.T) {
	s, out := screen(80, func(o *options) { o.all = true })
	lease := leaseOf("someone_1234")
	lease.Namespace, lease.Name = "default", "plain"
	if err := s.showAll([]coordinationv1.Lease{*lease}, policies{}, ""); err != nil {
		t.Fatal(err)
	}
	if fits(t, out.String(), 80); !strings.Contains(out.String(), "someone_1234") {
		t.Errorf("the holder is shortened:\n%s", out)
	}
}

func TestWideShowsAllColumnsOnAnyTerminal(t *testing.T) {
	s, out := screen(60, func(o *options) { o.output = "wide" })
	full := "holder.beacon-operator.demo.kube-elector.io.beacon-operator-system" + fencingSuffix
	have := policies{names: map[string]bool{full: true, strings.Replace(full, "holder", "guard", 1): true}, denied: map[string]bool{full: true}}
	if err := s.showAll(cluster()[:1], have, "beacon-operator-system"); err != nil {
		t.Fatal(err)
	}
	golden(t, "wide.txt", out.String())
}

func TestJSONForScriptsDoesNotChange(t *testing.T) {
	s, out := screen(60, func(o *options) { o.output = "json" })
	if err := s.showAll(cluster()[:5], policies{}, ""); err != nil {
		t.Fatal(err)
	}
	golden(t, "status.json", out.String())
}

func TestTheDetailsFitTheTerminal(t *testing.T) {
	for _, width := range []int{80, 60} {
		var all string
		for _, lease := range cluster() {
			s, out := screen(width, func(*options) {})
			r := reportOf(&lease, noon)
			r.Fencing = policies{}.of(r.Namespace, r.Name)
			r.Permissions = &permissions{ServiceAccount: "team-a:operator", Missing: []string{"update", "watch"}}
			s.printDetails(r)
			all += out.String() + "\n"
		}
		golden(t, fmt.Sprintf("details-%d.txt", width), all)
		for line := range strings.Lines(all) {
			if words := strings.Fields(line); len(words) > 2 { // a long name stays whole, to be copied
				fits(t, line, width)
			}
		}
	}
}

func TestColorsAreOnlyForTerminals(t *testing.T) {
	s, out := screen(80, func(*options) {})
	s.colors = true
	if err := s.showAll(cluster()[:4], policies{}, ""); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "\x1b[32m14s\x1b[0m") || !strings.Contains(out.String(), "\x1b[31mlapsed\x1b[0m") {
		t.Errorf("not in colors:\n%q", out)
	}
	s, out = screen(80, func(*options) {})
	if err := s.showAll(cluster(), policies{}, ""); err != nil || strings.Contains(out.String(), "\x1b") {
		t.Errorf("in colors, or broken by a Lease: %v\n%q", err, out)
	}
	t.Setenv("NO_COLOR", "1")
	if mayColor() {
		t.Error("NO_COLOR is not heeded")
	}
}

func fits(t *testing.T, text string, width int) {
	t.Helper()
	for line := range strings.Lines(text) {
		if n := columns(strings.TrimSuffix(line, "\n")); width > 0 && n > width {
			t.Errorf("%d columns, want %d at most: %s", n, width, line)
		}
	}
}
