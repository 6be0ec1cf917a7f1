// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

// Package consumer tests what requiring this module does to a module that has the lowest versions.
package consumer

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	ours              = "github.com/kube-elector/elector"
	kubernetes        = "k8s.io/client-go"
	controllerRuntime = "sigs.k8s.io/controller-runtime"
)

var (
	goLine  = regexp.MustCompile(`(?m)^(go|toolchain) (\S+)$`)
	require = regexp.MustCompile(`(?m)^(?:require |\t)(\S+) (v\S+)(?: // indirect)?$`)
)

// versions returns what a module file requires, Go among it.
func versions(t *testing.T, file string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, line := range append(goLine.FindAllStringSubmatch(string(text), -1), require.FindAllStringSubmatch(string(text), -1)...) {
		all[line[1]] = line[2]
	}
	return all
}

// floor has the lowest versions, as the README promises them.
var floor = map[string]string{"go": "1.25.0", kubernetes: "v0.35.0", controllerRuntime: "v0.23.0"}

func TestAConsumerKeepsItsVersions(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		source   string
		requires []string
		lacks    string
	}{
		"elector": {
			`package consumer

import (
	"context"
	"log/slog"

	"k8s.io/client-go/rest"

	"github.com/kube-elector/elector/elector"
)

func Run(ctx context.Context, cfg *rest.Config, work func(context.Context)) error {
	config := elector.Config{Enabled: true, LeaseName: "consumer", LeaseNamespace: "default"}
	clientset, err := elector.NewClientset(cfg, config)
	if err != nil {
		return err
	}
	e, err := elector.New(&config, clientset, elector.Callbacks{OnStartedLeading: work}, slog.Default())
	if err != nil {
		return err
	}
	return e.Start(ctx)
}
`,
			[]string{kubernetes}, controllerRuntime,
		},
		"manager": {
			`package consumer

import (
	"context"

	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/kube-elector/elector/manager"
)

func Run(ctx context.Context) error {
	mgr, err := manager.New(ctrl.GetConfigOrDie(), ctrl.Options{LeaderElection: true, LeaderElectionID: "consumer"})
	if err != nil {
		return err
	}
	return mgr.Start(ctx)
}
`,
			[]string{kubernetes, controllerRuntime}, "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			mod := fmt.Sprintf("module example.com/consumer\n\ngo %s\n\nrequire %s v0.0.0\n\nreplace %s => %q\n", floor["go"], ours, ours, root)
			for _, module := range test.requires {
				mod += fmt.Sprintf("\nrequire %s %s\n", module, floor[module])
			}
			sum, err := os.ReadFile(filepath.Join(root, "go.sum"))
			if err != nil {
				t.Fatal(err)
			}
			for file, text := range map[string]string{"go.mod": mod, "go.sum": string(sum), "consumer.go": test.source} {
				if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			goCommand(t, dir, "mod", "tidy")
			goCommand(t, dir, "build", "./...")
			after := versions(t, filepath.Join(dir, "go.mod"))
			for module, want := range wanted(t, dir, test.requires) {
				if got, required := after[module]; required && got != want {
					t.Errorf("%s was raised from %s to %s", module, want, got)
				}
			}
			if _, raised := after["toolchain"]; raised {
				t.Error("go.mod asks for a toolchain")
			}
			if test.lacks != "" && after[test.lacks] != "" {
				t.Errorf("%s is required without need", test.lacks)
			}
		})
	}
}

// wanted returns the versions of a module that requires these without us: the floor, and what they require themselves.
func wanted(t *testing.T, dir string, requires []string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, module := range requires {
		file := goCommand(t, dir, "list", "-m", "-f", "{{.GoMod}}", module+"@"+floor[module])
		maps.Copy(all, versions(t, strings.TrimSpace(file)))
		all[module] = floor[module]
	}
	all["go"] = floor["go"]
	return all
}

// goCommand runs the go command in the module in dir, and returns what it prints.
func goCommand(t *testing.T, dir string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute) // with an empty build cache it compiles client-go
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return string(out)
}
