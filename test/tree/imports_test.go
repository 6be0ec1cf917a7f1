// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package tree

import (
	"go/parser"
	"go/token"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// What is below wall serves package elector and imports nothing else of this module, least of all elector itself.
const wall = "elector/internal"

// mayImport says which parts of the module the packages of each part may import. Test files are no exception.
var mayImport = map[string][]string{
	"elector":  {"elector"},
	"manager":  {"elector", "manager"},
	"examples": {"elector", "manager", "examples"},
	"test":     {"elector", "manager", "examples", "test"},
	"hack":     {"hack"},
	wall:       {wall},
}

// partOf returns the part of the module that a path belongs to.
func partOf(path string) string {
	if strings.HasPrefix(path, wall+"/") {
		return wall
	}
	part, _, _ := strings.Cut(path, "/")
	return part
}

// mayUse reports whether the packages of a part may import a package of this module, by its path in it.
func mayUse(part, path string) bool {
	return slices.ContainsFunc(mayImport[part], func(to string) bool { return path == to || strings.HasPrefix(path, to+"/") })
}

func TestImportsGoOneWay(t *testing.T) {
	oneWay := eachGoFile(func(name, text string) (faults []string) {
		part := partOf(name)
		file, err := parser.ParseFile(token.NewFileSet(), name, text, parser.ImportsOnly)
		if err != nil {
			return faultf("%v", err)
		}
		for _, spec := range file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return faultf("%v", err)
			}
			if rest, ours := strings.CutPrefix(imported, module+"/"); ours {
				if !mayUse(part, rest) {
					faults = append(faults, part+" must not import "+imported)
				}
			}
		}
		return faults
	})
	oneWay.keep(t)

	oneWay.try(t, "test/chaos/a.go", `package a; import "`+module+`/examples/operator"`)
	oneWay.try(t, "elector/internal/lease/a.go", `package a; import "`+module+`/elector/internal/wait"`)
	for from, to := range map[string]string{
		"elector/a.go":           "manager",
		"elector/leasetest/a.go": "test/sim",
		"manager/a_test.go":      "test/cluster",
		"manager/a.go":           "examples/demo",
		"examples/demo/a.go":     "test",

		"elector/internal/lease/a.go":      "elector",
		"elector/internal/lease/b_test.go": "elector/leasetest",
	} {
		part := partOf(from)
		oneWay.try(t, from, `package a; import _ "`+module+"/"+to+`"`,
			from+": "+part+" must not import "+module+"/"+to)
	}
}

func TestElectorNeverImportsControllerRuntime(t *testing.T) {
	brings := func(pattern string) bool {
		return slices.ContainsFunc(list(t, "-test", "-f", "{{.ImportPath}}", pattern), func(path string) bool {
			return strings.HasPrefix(path, "sigs.k8s.io/controller-runtime")
		})
	}
	if brings("./elector/...") {
		t.Error("elector, or a test of it, brings in controller-runtime: see go list -deps -test ./elector/...")
	}
	if !brings("./manager/...") {
		t.Error("controller-runtime was not found where it is: the test above shows nothing")
	}
}

// What uses controller-runtime already has what the library needs.
func TestTheLibraryBringsNoModuleThatControllerRuntimeDoesNot(t *testing.T) {
	const modules = "{{with .Module}}{{.Path}}{{end}}"
	has := list(t, "-f", modules, "sigs.k8s.io/controller-runtime")
	has = append(has, module)
	brings := func(pattern string) (more []string) {
		for _, m := range list(t, "-f", modules, pattern) {
			if m != "" && !slices.Contains(has, m) && !slices.Contains(more, m) {
				more = append(more, m)
			}
		}
		return more
	}
	for _, pattern := range []string{"./elector/...", "./manager/..."} {
		for _, m := range brings(pattern) {
			t.Errorf("%s brings the module %s, which controller-runtime does not", pattern, m)
		}
	}
	if got := brings("go.uber.org/goleak"); !slices.Contains(got, "go.uber.org/goleak") {
		t.Errorf("goleak was found to bring %q: the test above shows nothing", got)
	}
}

// list returns the lines that `go list -deps` prints of the pattern.
func list(t *testing.T, args ...string) []string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"list", "-deps"}, args...)...)
	cmd.Dir = root
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s", cmd, err, stderr.String())
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}
