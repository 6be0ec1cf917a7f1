// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	operatorconfig "github.com/kube-elector/elector/examples/operator/config"
)

// tableRow matches a row of the summary, with fault, from, to, tokens and gap.
var tableRow = regexp.MustCompile(`(?m)^(\d) +([a-z ]+) \(SIG\w+\) +(\w) → (\w) +(\d+) → (\d+) +([0-9.]+ m?s) `)

func TestDemoShowsFourChangesOfLeader(t *testing.T) {
	assets(t)
	d := startDemo(t, shortTimes...)
	if code := d.awaitEnd(); code != 0 {
		t.Fatalf("it ended with exit code %d", code)
	}
	rows := tableRow.FindAllStringSubmatch(d.text(), -1)
	if len(rows) != 4 {
		t.Fatalf("the table has %d changes of leader: %q", len(rows), rows)
	}
	token := 0
	for i, fault := range []string{"clean stop", "crash", "node lost", "freeze"} {
		row := rows[i]
		if row[2] != fault || row[3] == row[4] {
			t.Errorf("change %d is %q, want a %s and another leader", i+1, row[0], fault)
		}
		for _, text := range row[5:7] {
			next, err := strconv.Atoi(text)
			if err != nil || next < token {
				t.Errorf("in change %d token %s follows %d: %v", i+1, text, token, err)
			}
			token = next
		}
		// The lease was released in the first change. The kubelet reported the second, and the others had to lapse.
		gap := parseGap(t, row[7])
		if lapsed := gap > 2*time.Second; lapsed != (i > 1) {
			t.Errorf("change %d, a %s, took %v with a lease duration of 4s", i+1, fault, gap)
		}
	}
	if !strings.Contains(d.text(), " 0 of them by a former leader") {
		t.Error("it does not say that no former leader has written")
	}
	d.wantNothingLeft()
	for _, name := range []string{"timeline.svg", "timeline.html"} {
		text, err := os.ReadFile(filepath.Join(d.dir, "out", name))
		if err != nil || strings.Count(string(text), `class="gap"`) != 4 {
			t.Errorf("%s does not have four gaps (%v)", name, err)
		}
	}
}

func parseGap(t *testing.T, text string) time.Duration {
	t.Helper()
	gap, err := time.ParseDuration(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return gap
}

func TestDemoThatIsKilledLeavesNoProcess(t *testing.T) {
	assets(t)
	d := startDemo(t, shortTimes...)
	d.awaitText("SIGSTOP to replica")
	if n := len(processes(t, d.dir)); n < 6 {
		t.Fatalf("there are %d processes, want the demo, 2 of the control plane and who runs it, and 3 replicas", n)
	}
	if err := d.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	d.awaitEnd()
	d.wantNothingLeft()
}

func TestInterruptDuringTheStartLeavesNoProcess(t *testing.T) {
	assets(t)
	for _, moment := range []string{"building examples/operator", "starting kube-apiserver"} {
		t.Run(moment, func(t *testing.T) {
			d := startDemo(t, shortTimes...)
			d.awaitText(moment)
			d.interrupt()
		})
	}
}

// interrupt interrupts the demo as a terminal does, its process group, and more than once, as people do.
func (d *demo) interrupt() {
	d.t.Helper()
	for range 3 {
		if err := syscall.Kill(-d.cmd.Process.Pid, syscall.SIGINT); err != nil {
			d.t.Fatal(err)
		}
	}
	if code := d.awaitEnd(); code != 1 {
		d.t.Errorf("it ended with exit code %d, want 1", code)
	}
	if !strings.Contains(d.text(), "interrupt") {
		d.t.Error("it does not say that it was interrupted")
	}
	if left := processes(d.t, d.dir); len(left) > 0 {
		d.t.Errorf("when it had ended there were still:\n%s", strings.Join(left, "\n"))
	}
}

func TestInterruptedDemoCleansUpTheUsersCluster(t *testing.T) {
	assets(t)
	dir := t.TempDir()
	plane, err := startControlPlane(t.Context(), dir, filepath.Join(dir, "kubeconfig"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := plane.stop(); err != nil {
			t.Error(err)
		}
	}()
	d := startDemo(t, append(shortTimes, "--kubeconfig="+filepath.Join(dir, "kubeconfig"), "--objects=3")...)
	d.awaitText("SIGSTOP to replica")
	c := &cluster{kubeconfig: filepath.Join(dir, "kubeconfig")}
	if err := c.connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := namespaces(t, c); n != 1 {
		t.Fatalf("it has %d namespaces, want one", n)
	}
	d.interrupt()
	if n := namespaces(t, c); n != 0 {
		t.Errorf("it has left %d namespaces", n)
	}
	crd, err := operatorconfig.CRD()
	if err != nil {
		t.Fatal(err)
	}
	awaitGone(t, c.client, crd)
}

// namespaces returns how many namespaces of the demo have not been deleted. They go when a controller, which the tests'
// control plane does not have, has emptied them.
func namespaces(t *testing.T, c *cluster) (n int) {
	t.Helper()
	var all corev1.NamespaceList
	if err := c.client.List(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	for _, ns := range all.Items {
		if strings.HasPrefix(ns.Name, "elector-demo-") && ns.DeletionTimestamp.IsZero() {
			n++
		}
	}
	return n
}

func awaitGone(t *testing.T, c client.Client, crd *apiextensionsv1.CustomResourceDefinition) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		err := c.Get(ctx, client.ObjectKeyFromObject(crd), crd)
		if apierrors.IsNotFound(err) {
			return
		}
		if err != nil {
			t.Fatalf("the CustomResourceDefinition has not gone: %v", err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func TestWhatCannotWorkIsSaidAtOnce(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	_, port, err := net.SplitHostPort(taken.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	noCluster, noConfig := filepath.Join(dir, "gone"), filepath.Join(dir, "rubbish")
	write(t, noCluster, "apiVersion: v1\nkind: Config\ncurrent-context: x\nclusters: [{name: x, cluster: {server: 'http://"+freeAddress(t)+"'}}]\n"+
		"contexts: [{name: x, context: {cluster: x, user: x}}]\nusers: [{name: x, user: {}}]\n")
	write(t, noConfig, "rubbish")
	for name, test := range map[string]struct {
		assets string
		args   []string
		want   string
	}{
		"no assets":              {"", nil, "make envtest"},
		"assets without files":   {dir, nil, "make envtest"},
		"assets that do not run": {fakeAssets(t), nil, "starting kube-apiserver and etcd"},
		"absurd durations":       {dir, []string{"--lease-duration=1ns"}, "LeaseDuration: 1ns"},
		"taken port":             {assets(t), []string{"--metrics-port=" + port}, "--metrics-port: port " + port},
		"out that is a file":     {assets(t), []string{"--out=" + noConfig}, "--out: "},
		"kubeconfig not there":   {"", []string{"--kubeconfig=" + dir + "/none"}, "--kubeconfig: stat"},
		"kubeconfig of rubbish":  {"", []string{"--kubeconfig=" + noConfig}, "--kubeconfig: " + noConfig},
		"cluster that is away":   {"", []string{"--kubeconfig=" + noCluster}, "does not answer"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(assetsVariable, test.assets)
			d := startDemo(t, test.args...)
			if code := d.awaitEnd(); code != 1 {
				t.Errorf("it ended with exit code %d, want 1", code)
			}
			if !strings.Contains(d.text(), test.want) {
				t.Errorf("it does not say %q", test.want)
			}
			if left := processes(t, d.dir); len(left) > 0 {
				t.Errorf("there are still:\n%s", strings.Join(left, "\n"))
			}
		})
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// freeAddress returns one that nobody listens at.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// fakeAssets writes programs that end at once.
func fakeAssets(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"kube-apiserver", "etcd"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\nexit 1\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
