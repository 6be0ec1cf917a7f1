// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package tree

import (
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

var (
	target     = regexp.MustCompile(`(?m)^([a-z][a-z-]*):([^=\n].*)?$`)
	modulesVar = regexp.MustCompile(`(?m)^(?:PIN_)?MODULES +:= (.*)$`)

	// These match calls of make. In Markdown they stand between backquotes or on a line of a fenced block, elsewhere on a
	// line.
	span = regexp.MustCompile("`((?:[A-Z_]+=\\S* )*make(?: [^`\n]*)?)`")
	line = regexp.MustCompile(`(?m)^\s*(?:- )?(?:run: |\$ |exec )?((?:[A-Z_]+=\S* )*make(?: .*)?)$`)

	quoted   = regexp.MustCompile(`'[^']*'|"[^"]*"`)
	endsCall = regexp.MustCompile(`#|&&|\|\||[;|<>].*`)
)

// targets returns the Makefile's, each with whether help documents it.
func targets(tree fs.FS) map[string]bool {
	text, _ := fs.ReadFile(tree, "Makefile") // There is none in some trees of these tests.
	all := map[string]bool{}
	for _, found := range target.FindAllStringSubmatch(string(text), -1) {
		all[found[1]] = strings.Contains(found[2], " ## ")
	}
	return all
}

func TestEveryMakeTargetIsDocumented(t *testing.T) {
	documented := rule(func(tree fs.FS) (faults []string) {
		for name, is := range targets(tree) {
			if !is {
				faults = append(faults, name+": has no ## in the Makefile")
			}
		}
		slices.Sort(faults)
		return faults
	})
	documented.keep(t)

	documented.try(t, "Makefile", "help: ## Show this.\nA := b\n$(TOOL): x\n")
	documented.try(t, "Makefile", "help: ## Show this.\ntest: envtest\n\tgo test\n", "test: has no ## in the Makefile")
}

// calls returns the calls of make in a file.
func calls(name, text string) (all []string) {
	var found [][]string
	switch {
	case path.Ext(name) == ".md":
		found = span.FindAllStringSubmatch(text, -1)
		for _, b := range blocks(text) {
			if slices.Contains([]string{"", "sh", "bash", "shell", "console"}, b.language) {
				found = append(found, line.FindAllStringSubmatch(b.text, -1)...)
			}
		}
	case strings.HasPrefix(name, ".ci/"), strings.HasPrefix(name, ".github/workflows/"):
		found = line.FindAllStringSubmatch(text, -1)
	}
	for _, call := range found {
		all = append(all, call[1])
	}
	return all
}

func unknownTargets(tree fs.FS) []string {
	known := targets(tree)
	return eachFile(func(name, text string) (faults []string) {
		for _, call := range calls(name, text) {
			_, args, _ := strings.Cut(call, "make")
			args = endsCall.Split(quoted.ReplaceAllString(args, ""), 2)[0]
			for word := range strings.FieldsSeq(args) {
				if _, ok := known[word]; !ok && !strings.Contains(word, "=") && !strings.HasPrefix(word, "-") {
					faults = append(faults, "make has no target "+word)
				}
			}
		}
		return faults
	})(tree)
}

func TestTheMakeTargetsThatAreMentionedExist(t *testing.T) {
	rule(unknownTargets).keep(t)

	for _, try := range []struct{ file, text, fault string }{
		{"README.md", "Call `make`, `make test` or `A=b make -k test demo X='y z'` and make sense.", ""},
		{"README.md", "Call `make tests`.", "make has no target tests"},
		{"README.md", "```sh\nmake demo   # watch\nA=b make test && make demo\n```\n", ""},
		{"README.md", "```\n$ make sims SEED=1\n```\n", "make has no target sims"},
		{"README.md", "```go\nmake sims\n```\nmake sure\n```sh\n```\n", ""},
		{".ci/run", "exec make test lint\n", "make has no target lint"},
		{".github/workflows/ci.yml", "    - run: make vet\n", "make has no target vet"},
	} {
		tree := fstest.MapFS{
			"Makefile": {Data: []byte("test: ## Test.\ndemo: envtest ## Show.\n")},
			try.file:   {Data: []byte(try.text)},
		}
		var want []string
		if try.fault != "" {
			want = []string{try.file + ": " + try.fault}
		}
		if got := unknownTargets(tree); !slices.Equal(got, want) {
			t.Errorf("in %s\n%s\nfound %q, want %q", try.file, try.text, got, want)
		}
	}
}

func TestTheMakefileKnowsEveryModule(t *testing.T) {
	modules := rule(func(tree fs.FS) []string {
		makefile, _ := fs.ReadFile(tree, "Makefile") // There is none in some trees of these tests.
		var known []string
		for _, found := range modulesVar.FindAllStringSubmatch(string(makefile), -1) {
			known = append(known, strings.Fields(found[1])...)
		}
		return eachFile(func(name, _ string) []string {
			if path.Base(name) == "go.mod" && !slices.Contains(known, path.Dir(name)) {
				return faultf("neither MODULES nor PIN_MODULES in the Makefile has it")
			}
			return nil
		})(tree)
	})
	modules.keep(t)

	modules.try(t, "hack/x/go.mod", "module x", "hack/x/go.mod: neither MODULES nor PIN_MODULES in the Makefile has it")
}
