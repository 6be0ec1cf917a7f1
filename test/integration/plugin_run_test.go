// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// plugin is the built kubectl-elector, and a gate in front of the API server that records its requests.
type plugin struct {
	binary string
	dir    string
	server string

	mu       sync.Mutex
	requests []string // as METHOD path?query
}

// buildPlugin builds the plugin. All requests through the gate are an administrator's, or --as another user.
func buildPlugin(t *testing.T) *plugin {
	t.Helper()
	p := &plugin{dir: t.TempDir()}
	p.binary = filepath.Join(p.dir, "kubectl-elector")
	build := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", p.binary, "../../elector/kubectl-elector")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", build, err, out)
	}
	transport, err := rest.TransportFor(restConfig)
	if err != nil {
		t.Fatal(err)
	}
	target, err := url.Parse(restConfig.Host)
	if err != nil {
		t.Fatal(err)
	}
	target.Scheme = "https"
	gate := &httputil.ReverseProxy{
		Transport:     transport,
		FlushInterval: -1,
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(target) },
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		p.requests = append(p.requests, r.Method+" "+r.URL.String())
		p.mu.Unlock()
		gate.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	p.server = server.URL
	return p
}

// command returns a call of the plugin whose context has the namespace, "" for none.
func (p *plugin) command(t *testing.T, namespace string, args ...string) *exec.Cmd {
	t.Helper()
	file := filepath.Join(p.dir, "kubeconfig-"+namespace)
	text, err := clientcmd.Write(clientcmdapi.Config{
		CurrentContext: "x",
		Contexts:       map[string]*clientcmdapi.Context{"x": {Cluster: "x", AuthInfo: "x", Namespace: namespace}},
		Clusters:       map[string]*clientcmdapi.Cluster{"x": {Server: p.server}},
		AuthInfos:      map[string]*clientcmdapi.AuthInfo{"x": {}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), p.binary, args...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+file)
	return cmd
}

// result is what a call of the plugin did.
type result struct {
	code     int
	out, err string
	requests []string
}

// run calls the plugin and waits for its end.
func (p *plugin) run(t *testing.T, namespace string, args ...string) result {
	t.Helper()
	cmd := p.command(t, namespace, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	p.mu.Lock()
	p.requests = nil
	p.mu.Unlock()
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%v: %v", cmd, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return result{cmd.ProcessState.ExitCode(), out.String(), errs.String(), slices.Clone(p.requests)}
}

// want fails the test unless the call ended with the code, and printed the texts.
func (r result) want(t *testing.T, code int, out, errs string) {
	t.Helper()
	if r.code != code || !strings.Contains(r.out, out) || !strings.Contains(r.err, errs) {
		t.Errorf("exit code %d, want %d with %q on stdout and %q on stderr; stdout:\n%s\nstderr:\n%s", r.code, code, out, errs, r.out, r.err)
	}
}

// lists returns how many of the requests list Leases.
func (r result) lists() (n int) {
	for _, request := range r.requests {
		if path, _, _ := strings.Cut(request, "?"); strings.HasPrefix(path, "GET") && strings.HasSuffix(path, "/leases") {
			n++
		}
	}
	return n
}
