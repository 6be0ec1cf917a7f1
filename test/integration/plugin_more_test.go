// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"bufio"
	"os"
	"strings"
	"sync"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// grant lets a user do something in the namespace.
func grant(t *testing.T, namespace, user string, rules ...rbacv1.PolicyRule) {
	t.Helper()
	rbac := kubernetes.NewForConfigOrDie(restConfig).RbacV1()
	role := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{GenerateName: "granted-"}, Rules: rules}
	role, err := rbac.Roles(namespace).Create(t.Context(), role, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = rbac.RoleBindings(namespace).Create(t.Context(), &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: role.Name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: role.Name},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "User", Name: user}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
}

func onLeases(names []string, verbs ...string) rbacv1.PolicyRule {
	return rbacv1.PolicyRule{APIGroups: []string{"coordination.k8s.io"}, Resources: []string{"leases"}, ResourceNames: names, Verbs: verbs}
}

func pluginPermissions(t *testing.T, p *plugin) {
	ns := namespace(t)
	check := func(code int, out string) {
		t.Helper()
		p.run(t, ns, "status", "lease", "--check-as", "operator").want(t, code, out, "")
	}
	check(3, "Permissions  "+ns+":operator lacks get, update, watch, create (it cannot lead)\n")
	user := "system:serviceaccount:" + ns + ":operator"
	grant(t, ns, user, onLeases([]string{"lease"}, "get", "update"))
	eventually(t, "the grant to act", func() bool {
		return !strings.Contains(p.run(t, ns, "status", "lease", "--check-as", "operator").out, "get")
	})
	check(3, "lacks watch, create (it cannot lead)")
	putLease(t, ns, "lease", "c")
	check(3, "lacks watch (it takes over more slowly without watch)")
	grant(t, ns, user, onLeases([]string{"lease"}, "watch"))
	eventually(t, "the grant to act", func() bool {
		return p.run(t, ns, "status", "lease", "--check-as", ns+":operator").code == 0
	})
	check(0, "Permissions  "+ns+":operator lacks nothing\n")
}

func pluginForbidden(t *testing.T, p *plugin) {
	ns := namespace(t)
	startCandidate(t, restConfig, ns, "a", fast).leads()
	as := func(args ...string) result { return p.run(t, ns, append(args, "--as", "jane-"+ns)...) }
	as("status").want(t, 1, "", `error: missing permission to list leases.coordination.k8s.io in namespace "`+ns+`": `)
	as("status", "-A").want(t, 1, "", "error: missing permission to list leases.coordination.k8s.io in all namespaces: ")
	missing := func(verb string) string {
		return `error: missing permission to ` + verb + ` leases.coordination.k8s.io "lease" in namespace "` + ns + `": `
	}
	for _, command := range []string{"status", "watch", "step-down"} {
		as(command, "lease").want(t, 1, "", missing("get"))
	}
	grant(t, ns, "jane-"+ns, onLeases(nil, "get", "list"))
	eventually(t, "the grant to act", func() bool { return as("status").code == 0 })
	as("watch", "lease").want(t, 1, "leads", missing("watch"))
	as("step-down", "lease").want(t, 1, "", missing("patch"))
	// What is only beside the point does not keep the rest from being shown.
	as("status", "lease").want(t, 0, "Fencing      ?", "missing permission to list validatingadmissionpolicies.admissionregistration.k8s.io")
	as("status", "-o", "wide").want(t, 0, "lease", "missing permission to list validatingadmissionpolicies.admissionregistration.k8s.io")
	as("status", "lease", "--check-as", "x").want(t, 1, "", "missing permission to create subjectaccessreviews.authorization.k8s.io: ")
}

func pluginUsage(t *testing.T, p *plugin) {
	run := func(args ...string) result { return p.run(t, "", args...) }
	run().want(t, 0, "Usage:\n  kubectl elector COMMAND [flags]", "")
	run("--help").want(t, 0, "Exit codes:", "")
	run("help", "step-down").want(t, 0, "--timeout", "")
	run("status", "-h").want(t, 0, "--check-as", "")
	run("options").want(t, 0, "--as string", "")
	run("version").want(t, 0, "kubectl-elector ", "")
	for text, args := range map[string][]string{
		`unknown command "frob"`:               {"frob"},
		"unknown flag: --frob":                 {"status", "--frob"},
		"--timeout: is not a flag of status":   {"status", "--timeout", "1s"},
		"watch: needs the NAME of a Lease":     {"watch"},
		"status: takes 1 arguments at most":    {"status", "a", "b"},
		`--output: "yaml": must be json or w`:  {"status", "-o", "yaml"},
		`"ns/lease": must be the NAME of a Le`: {"status", "ns/lease"},
		`"../x": must be the NAME of a Lease`:  {"watch", "../x"},
		`"A_b": is not the name of a Lease`:    {"step-down", "A_b"},
		"--check-as: needs the NAME":           {"status", "--check-as", "x"},
		"must not be set for the one Lease":    {"status", "-A", "lease"},
		`--namespace: "a b": is not the name`:  {"status", "-n", "a b"},
		"--timeout: 0s: must be more than 0":   {"step-down", "x", "--timeout", "0"},
	} {
		r := run(args...)
		if r.want(t, 2, "", text); len(r.requests) > 0 || r.out != "" {
			t.Errorf("%q: printed %q on stdout and sent %q", args, r.out, r.requests)
		}
	}
	run("status", "--context", "nowhere").want(t, 1, "", `context "nowhere" does not exist`)
	run("status", "--kubeconfig", "/nowhere").want(t, 1, "", "/nowhere")
	run("status", "--server", "http://127.0.0.1:1").want(t, 1, "", "connection refused")
}

func pluginStepDown(t *testing.T, p *plugin) {
	ns := namespace(t)
	a := startCandidate(t, restConfig, ns, "a", fast)
	a.leads()
	watch := p.command(t, ns, "watch", "lease")
	stdout, err := watch.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := watch.Start(); err != nil {
		t.Fatal(err)
	}
	ended := sync.OnceValue(watch.Wait)
	t.Cleanup(func() {
		_ = watch.Process.Kill() // if it has not ended
		_ = ended()
	})
	lines := bufio.NewScanner(stdout)
	next := func(want string) {
		t.Helper()
		if !lines.Scan() || !strings.Contains(lines.Text(), want) {
			t.Fatalf("watch printed %q, want %q", lines.Text(), want)
		}
	}
	next("  leads     a  for ")
	b := startCandidate(t, restConfig, ns, "b", fast)
	eventually(t, "b to stand by", func() bool { return b.GetLeader() == "a" })
	r := p.run(t, ns, "step-down", "lease")
	r.want(t, 0, "Asked a to step down (token ", "")
	r.want(t, 0, "b leads, ", "")
	b.leads()
	next("  released  a  step-down")
	next("  leads     b  ")
	if err := watch.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := ended(); err != nil {
		t.Errorf("watch, interrupted: %v", err)
	}
	p.run(t, ns, "status", "lease").want(t, 0, "Last term    step-down, ", "")

	if err := a.stop(); err != nil {
		t.Fatal(err)
	}
	p.run(t, ns, "step-down", "lease").want(t, 4, "b leads again, ", "")
}
