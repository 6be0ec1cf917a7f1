// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
)

// A recipe describes how to build one binary from its pinned Go module. Each binary has its own go.mod, so that it is
// built with the dependencies of its own release.
type recipe struct {
	name    string // of the binary
	dir     string // of the go.mod, relative to this directory or absolute
	module  string // whose version is the binary's
	pkg     string // the main package
	tells   string // with the version, how its answer to --version begins
	asks    string // the flag that it has instead of --version
	tags    string
	ldflags func(version string) string
}

const kubernetes = "k8s.io/kubernetes"

var recipes = []recipe{
	{
		name:    "etcd",
		dir:     "etcd",
		module:  "go.etcd.io/etcd/server/v3",
		pkg:     "go.etcd.io/etcd/server/v3",
		tells:   "etcd Version: ",
		ldflags: func(string) string { return "-s -w" },
	},
	kubeRecipe("kube-apiserver"),
}

const (
	containerd    = "github.com/containerd/containerd/v2"
	withoutCgo    = "no_btrfs,no_zfs,no_devmapper,no_aufs" // snapshotters that need C libraries or modules of the kernel
	containerdDir = "containerd"
)

// nodeRecipes are what a node needs beside runc. The kubelet is of the API server's release.
var nodeRecipes = []recipe{
	kubeRecipe("kube-controller-manager"), kubeRecipe("kubelet"),
	{
		name: "containerd", dir: containerdDir, module: containerd, pkg: containerd + "/cmd/containerd", tells: "containerd " + containerd + " ",
		tags: withoutCgo, ldflags: containerdLDFlags,
	},
	{
		name: "containerd-shim-runc-v2", dir: containerdDir, module: containerd, pkg: containerd + "/cmd/containerd-shim-runc-v2",
		tells: "containerd-shim-runc-v2: Version: ", asks: "-v", tags: withoutCgo, ldflags: containerdLDFlags,
	},
	{
		name: "ctr", dir: containerdDir, module: containerd, pkg: containerd + "/cmd/ctr", tells: "ctr " + containerd + " ",
		tags: withoutCgo, ldflags: containerdLDFlags,
	},
}

// kubeRecipe returns the recipe for a program of Kubernetes.
func kubeRecipe(name string) recipe {
	return recipe{name: name, dir: "kube", module: kubernetes, pkg: kubernetes + "/cmd/" + name, tells: "Kubernetes v", ldflags: kubeLDFlags}
}

// containerdLDFlags sets the version, which the source of a release leaves open.
func containerdLDFlags(version string) string {
	return "-s -w -X " + containerd + "/version.Version=" + strings.TrimPrefix(version, "v")
}

// kubeLDFlags sets the variables that Kubernetes' own release build sets. It clears the commit, which reads
// "$Format:%H$" in the source.
func kubeLDFlags(version string) string {
	parts := strings.SplitN(strings.TrimPrefix(version, "v"), ".", 3)
	flags := "-s -w"
	for _, pkg := range []string{"k8s.io/component-base/version", "k8s.io/client-go/pkg/version"} {
		for _, set := range []string{
			"gitVersion=" + version, "gitMajor=" + parts[0], "gitMinor=" + parts[1],
			"gitCommit=", "gitTreeState=archive",
		} {
			flags += " -X " + pkg + "." + set
		}
	}
	return flags
}

// A pinned recipe takes its versions from go.mod.
type pinned struct {
	recipe
	version  string // with its v
	modules  int    // that go.mod requires
	identity string // of the build: another identity means another binary
}

var (
	versionRule = regexp.MustCompile(`^v\d+\.\d+\.\d+$`)
	requireLine = regexp.MustCompile(`(?m)^(?:require)?\s+(\S+) (v\S+)(?: // indirect)?$`)
)

// pin reads the versions pinned in the module directory under root.
func (r recipe) pin(root string) (pinned, error) {
	p := pinned{recipe: r}
	dir := r.dir
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(root, dir)
	}
	mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil {
		return p, fmt.Errorf("reading the pinned versions (is this run in hack/envtest?): %w", err)
	}
	sum, err := os.ReadFile(filepath.Join(dir, "go.sum"))
	if err != nil {
		return p, fmt.Errorf("reading the pinned versions: %w", err)
	}
	for _, line := range requireLine.FindAllStringSubmatch(string(mod), -1) {
		p.modules++
		if line[1] == r.module {
			p.version = line[2]
		}
	}
	if !versionRule.MatchString(p.version) {
		return p, fmt.Errorf("%s/go.mod requires %s at version %q: must be a release like v1.2.3", dir, r.module, p.version)
	}
	hash := sha256.New()
	fmt.Fprintf(hash, "%s\n%s\n%q\n%q\n%s/%s", mod, sum, p.buildArgs(), buildEnv, runtime.GOOS, runtime.GOARCH)
	p.identity = fmt.Sprintf("built:%x", hash.Sum(nil))
	return p, nil
}

// buildEnv makes the binaries static and ignores a go.work around the clone.
var buildEnv = []string{"CGO_ENABLED=0", "GOWORK=off"}

// buildArgs returns the flags for both `go build` and `go list`. With other flags the list would not match the build.
func (p pinned) buildArgs() []string {
	args := []string{"-mod=readonly", "-trimpath", "-buildvcs=false", "-ldflags=" + p.ldflags(p.version)}
	if p.tags != "" {
		args = append(args, "-tags="+p.tags)
	}
	return args
}

func (p pinned) title() string { return p.name + " " + p.version }

func titles(pins []pinned) string {
	var all []string
	for _, p := range pins {
		all = append(all, p.title())
	}
	return strings.Join(all, " and ")
}
