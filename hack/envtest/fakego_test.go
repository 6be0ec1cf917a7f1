// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// The test binary plays three parts. Called go, it is a go command that does as FAKE_GO says: builds at once ("ok"),
// compiles forever ("slow"), fails ("fails") or builds another version ("liar"). With ENVTEST_RUN set it is the program
// itself.
func TestMain(m *testing.M) {
	switch {
	case filepath.Base(os.Args[0]) == "go":
		fakeGo(os.Args[1:])
	case os.Getenv("ENVTEST_RUN") != "":
		main()
	default:
		goleak.VerifyTestMain(m)
	}
}

// useFakeGo puts the fake in front of PATH. The returned function lists the builds and downloads it has done.
func useFakeGo(t *testing.T, mode string) (calls func() []string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	if err := os.Symlink(self, filepath.Join(bin, "go")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	t.Setenv("FAKE_GO", mode)
	t.Setenv("FAKE_GO_DIR", bin)
	t.Setenv("KUBEBUILDER_ASSETS", "")
	t.Setenv("ENVTEST_DOWNLOAD", "")
	t.Setenv("GORACE", "atexit_sleep_ms=0") // With -race each process would take a second to end.
	return func() []string {
		log, err := os.ReadFile(filepath.Join(bin, "calls"))
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		return strings.Fields(string(log))
	}
}

func fakeGo(args []string) {
	main := args[len(args)-1]
	mode := os.Getenv("FAKE_GO")
	switch args[0] {
	case "list":
		fmt.Fprintln(os.Stderr, "go: downloading example.com/a v1.0.0")
		fmt.Printf("unsafe \nexample.com/a compile\n%s compile\n", main)
	case "build":
		fmt.Fprintln(os.Stderr, "example.com/a")
		fakeBuild(mode, main, args[slices.Index(args, "-o")+1])
	case "compile":
		fakeCompiler()
	case "mod":
		fakeMod(mode, args[1:])
	case "run":
		fakeSetupEnvtest(mode, args)
	default:
		fakeExit("unknown command %q", args[0])
	}
}

// fakeMod downloads a module and tidies.
func fakeMod(mode string, args []string) {
	if args[0] == "tidy" {
		return
	}
	if mode == "fails" {
		fakeExit("no such version")
	}
	dir := os.Getenv("FAKE_GO_DIR")
	err := errors.Join(
		os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module "+kubernetes+"\n\ngo 1.25.0\n"), 0o644),
		os.WriteFile(filepath.Join(dir, "go.sum"), nil, 0o644),
	)
	if err != nil {
		fakeExit("%v", err)
	}
	fmt.Printf("{\"Dir\": %q}\n", dir)
	fakeCalled("resolve")
}

func fakeBuild(mode, pkg, output string) {
	switch mode {
	case "slow":
		fakeSlow(output)
	case "fails":
		fakeExit("# example.com/a\na.go:1:1: something is wrong")
	}
	all := slices.Concat(recipes, nodeRecipes)
	recipe := all[slices.IndexFunc(all, func(r recipe) bool { return r.pkg == pkg })]
	if dir, _ := os.Getwd(); strings.HasPrefix(filepath.Base(dir), ".kube-") {
		recipe.dir = dir // of a derived module
	}
	p, err := recipe.pin("..")
	if err != nil {
		fakeExit("%v", err)
	}
	greeting := p.tells + strings.TrimPrefix(p.version, "v")
	if mode == "liar" {
		greeting = p.tells + "0.0.0"
	}
	fakeBinary(output, greeting)
	fakeCalled(p.name)
}

// fakeSlow starts a compiler, writes half of the output and names a package now and then.
func fakeSlow(output string) {
	fakeAlive("go")
	compiler := exec.Command(filepath.Join(os.Getenv("FAKE_GO_DIR"), "go"), "compile")
	err := errors.Join(
		os.WriteFile(output, []byte("half"), 0o755),
		os.WriteFile(filepath.Join(os.Getenv("GOTMPDIR"), "half"), nil, 0o644),
		compiler.Start(),
	)
	if err != nil {
		fakeExit("%v", err)
	}
	for {
		time.Sleep(10 * time.Millisecond)
		fmt.Fprintln(os.Stderr, "example.com/a")
	}
}

// fakeCompiler works silently until the test is over.
func fakeCompiler() {
	fakeAlive("compile")
	fakeCalled("slow")
	for {
		if _, err := os.Stat(os.Getenv("FAKE_GO_DIR")); err != nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// fakeAlive locks a file for the life of this process.
func fakeAlive(name string) {
	lock, err := os.Create(filepath.Join(os.Getenv("FAKE_GO_DIR"), name+".alive"))
	if err == nil {
		err = syscall.Flock(int(lock.Fd()), syscall.LOCK_EX)
	}
	if err != nil {
		fakeExit("%v", err)
	}
	alive = append(alive, lock)
}

// alive keeps the garbage collector from closing the locked files.
var alive []*os.File

// fakeSetupEnvtest leaves a read-only directory, as the real one does.
func fakeSetupEnvtest(mode string, args []string) {
	if mode == "fails" {
		fakeExit("unable to list versions: no such host")
	}
	if args[1] != setupEnvtest || args[2] != "use" {
		fakeExit("unexpected arguments %q", args)
	}
	dir := filepath.Join(args[slices.Index(args, "--bin-dir")+1], "k8s", "1.37.1-linux-amd64")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		fakeExit("%v", err)
	}
	for _, r := range recipes {
		fakeBinary(filepath.Join(dir, r.name), r.tells+"1.2.3")
	}
	if err := os.Chmod(dir, 0o555); err != nil {
		fakeExit("%v", err)
	}
	fmt.Println(dir)
	fakeCalled(args[len(args)-1])
}

func fakeBinary(path, greeting string) {
	if err := os.WriteFile(path, []byte("#!/bin/sh\necho '"+greeting+"'\n"), 0o755); err != nil {
		fakeExit("%v", err)
	}
}

func fakeCalled(what string) {
	log, err := os.OpenFile(filepath.Join(os.Getenv("FAKE_GO_DIR"), "calls"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err == nil {
		_, err = fmt.Fprintln(log, what)
	}
	if err != nil {
		fakeExit("%v", err)
	}
}

func fakeExit(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format, args...)
	os.Exit(1)
}
