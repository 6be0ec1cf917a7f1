// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package tree

import (
	"fmt"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/version"
)

// The module files of the lowest and of the newest dependencies.
const lowestMod, newestMod = "go.mod", "hack/newest.mod"

var (
	goLine    = regexp.MustCompile(`(?m)^go (\S+)$`)
	directDep = regexp.MustCompile(`(?m)^(?:require |\t)(\S+) (v\S+)$`)
)

// requirements returns the direct requirements of a module file, Go among them.
func requirements(text string) map[string]*version.Version {
	all := map[string]*version.Version{}
	for _, found := range directDep.FindAllStringSubmatch(text, -1) {
		all[found[1]] = version.MustParseSemantic(found[2])
	}
	if found := goLine.FindStringSubmatch(text); found != nil {
		all["go"] = version.MustParseSemantic(found[1])
	}
	return all
}

// inStep finds where the second module file differs in more than higher versions.
func inStep(lowest, newest string) (faults []string) {
	low, high := requirements(lowest), requirements(newest)
	for _, name := range slices.Sorted(maps.Keys(low)) {
		switch at, ok := high[name]; {
		case !ok:
			faults = append(faults, "does not require "+name)
		case at.LessThan(low[name]):
			faults = append(faults, fmt.Sprintf("requires %s %s: must be at least %s, as in %s", name, at, low[name], lowestMod))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(high)) {
		if _, ok := low[name]; !ok {
			faults = append(faults, "requires "+name+", which "+lowestMod+" does not")
		}
	}
	return faults
}

func TestTheNewestModuleFileOnlyRaisesVersions(t *testing.T) {
	rule(func(tree fs.FS) []string {
		lowest, _ := fs.ReadFile(tree, lowestMod) // A missing file has no requirements.
		return eachFile(func(name, text string) []string {
			if name != newestMod {
				return nil
			}
			return inStep(string(lowest), text)
		})(tree)
	}).keep(t)

	const low = "module x\n\ngo 1.25.0\n\nrequire (\n\ta.b/c v0.35.0\n\ta.b/d v1.0.0-20250101000000-0123456789ab\n)\n\nrequire a.b/e v1.0.0 // indirect\n"
	for _, try := range []struct{ old, replacement, fault string }{
		{"", "", ""},
		{"v0.35.0", "v0.37.2", ""},
		{"1.25.0", "1.24.0", "requires go 1.24.0: must be at least 1.25.0, as in go.mod"},
		{"v0.35.0", "v0.34.9", "requires a.b/c 0.34.9: must be at least 0.35.0, as in go.mod"},
		{"\ta.b/c v0.35.0\n", "", "does not require a.b/c"},
		{" // indirect", "", "requires a.b/e, which go.mod does not"},
	} {
		want := slices.DeleteFunc([]string{try.fault}, func(f string) bool { return f == "" })
		if got := inStep(low, strings.Replace(low, try.old, try.replacement, 1)); !slices.Equal(got, want) {
			t.Errorf("%q for %q: found %q, want %q", try.replacement, try.old, got, want)
		}
	}
}

// minor returns 1.25 of 1.25.0.
func minor(v *version.Version) string { return fmt.Sprintf("%d.%d", v.Major(), v.Minor()) }

func TestTheDocumentsNameTheVersionsOfTheModuleFiles(t *testing.T) {
	named := rule(func(tree fs.FS) []string {
		texts := map[string]string{}
		for _, name := range []string{lowestMod, newestMod} {
			text, _ := fs.ReadFile(tree, name)
			texts[name] = string(text)
		}
		low, high := requirements(texts[lowestMod]), requirements(texts[newestMod])
		const kubernetes, runtime = "k8s.io/client-go", "sigs.k8s.io/controller-runtime"
		want := map[string][]string{
			"README.md": {fmt.Sprintf("Go %s, controller-runtime %s and version %s of the k8s.io modules",
				minor(low["go"]), minor(low[runtime]), minor(low[kubernetes]))},
			".github/SUPPORT.md": {
				fmt.Sprintf("| Go | %s | %s |", minor(low["go"]), minor(high["go"])),
				fmt.Sprintf("| %s | %s |", low[kubernetes], high[kubernetes]),
				fmt.Sprintf("| %s | %s |", low[runtime], high[runtime]),
			},
		}
		return eachFile(func(name, text string) (faults []string) {
			for _, words := range want[name] {
				if !strings.Contains(strings.Join(strings.Fields(text), " "), words) {
					faults = append(faults, "does not say: "+words)
				}
			}
			return faults
		})(tree)
	})
	named.keep(t)
}
