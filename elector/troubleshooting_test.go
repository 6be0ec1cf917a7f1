// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/ptr"

	"github.com/kube-elector/elector/elector"
	"github.com/kube-elector/elector/elector/leasetest"
)

// logBuffer is what replicas log.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// trouble is a replica in trouble.
type trouble struct {
	t      *testing.T
	server *leasetest.Server
	log    logBuffer
	work   func(context.Context)
	crash  *elector.CrashDetection // of the replicas that are started next
}

// start starts a replica. It ends with the test.
func (tr *trouble) start(id string) (*leasetest.Client, *elector.Elector) {
	client := tr.server.Client(id)
	handler := slog.NewTextHandler(&tr.log, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}})
	e, err := elector.New(&elector.Config{Enabled: true, Identity: id, LeaseName: "operator", LeaseNamespace: "ns", ReleaseOnCancel: true, CrashDetection: tr.crash},
		client, elector.Callbacks{OnStartedLeading: tr.work}, slog.New(handler))
	if err != nil {
		tr.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(tr.t.Context())
	done := make(chan error, 1)
	go func() { done <- e.Start(ctx) }()
	tr.t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			fmt.Fprintf(&tr.log, "error: %v\n", err)
		}
	})
	synctest.Wait()
	return client, e
}

var forbidden = apierrors.NewForbidden(schema.GroupResource{Group: "coordination.k8s.io", Resource: "leases"}, "operator",
	errors.New(`User "system:serviceaccount:ns:operator" cannot update resource "leases" in API group "coordination.k8s.io" in the namespace "ns"`))

// troubles are what the page is about. Each makes replicas log it.
var troubles = map[string]func(*trouble){
	"all is well": func(tr *trouble) {
		tr.start("a")
		tr.start("b")
		time.Sleep(time.Minute)
	},
	"no permissions": func(tr *trouble) {
		tr.server.Client("a").Fail(forbidden, 1000)
		tr.start("a")
		time.Sleep(time.Minute)
	},
	"no permission to update": func(tr *trouble) {
		tr.server.Client("a").Intercept(func(op leasetest.Op) leasetest.Fault {
			if op.Verb == "update" || op.Verb == "create" {
				return leasetest.Fault{Err: forbidden}
			}
			return leasetest.Fault{}
		})
		tr.start("a")
		time.Sleep(time.Minute)
	},
	"no permission to watch": func(tr *trouble) {
		tr.server.Client("a").Intercept(func(op leasetest.Op) leasetest.Fault {
			if op.Verb == "watch" {
				return leasetest.Fault{Err: forbidden}
			}
			return leasetest.Fault{}
		})
		tr.start("a")
		time.Sleep(time.Minute)
	},
	"the API server is away": func(tr *trouble) {
		a, _ := tr.start("a")
		a.Fail(apierrors.NewServiceUnavailable("away"), 1000)
		time.Sleep(time.Minute)
		a.Heal()
		time.Sleep(time.Minute)
	},
	"the network is gone": func(tr *trouble) {
		a, _ := tr.start("a")
		tr.start("b")
		a.Partition()
		time.Sleep(time.Minute)
		a.Heal()
		time.Sleep(time.Minute)
	},
	"edited": func(tr *trouble) {
		tr.start("a")
		tr.server.Edit("ns", "operator", func(l *coordinationv1.Lease) { l.Spec.HolderIdentity = ptr.To("somebody") })
		synctest.Wait()
	},
	"deleted": func(tr *trouble) {
		tr.start("a")
		tr.server.Delete("ns", "operator")
		synctest.Wait()
	},
	"one identity": func(tr *trouble) {
		tr.start("a")
		tr.start("a")
		time.Sleep(time.Minute)
	},
	"work does not stop": func(tr *trouble) {
		ended := make(chan struct{})
		tr.work = func(ctx context.Context) {
			<-ctx.Done()
			<-ended
		}
		_, e := tr.start("a")
		go e.StepDown(tr.t.Context()) //nolint:errcheck // it is logged
		time.Sleep(time.Minute)
		close(ended)
	},
	"a crash": func(tr *trouble) {
		container, err := tr.server.RunContainer("ns", "a", tr.t.TempDir())
		if err != nil {
			tr.t.Fatal(err)
		}
		for name, value := range container.Environment() {
			tr.t.Setenv(name, value)
		}
		tr.crash = &elector.CrashDetection{TerminationLog: container.TerminationLog()}
		a, _ := tr.start("a")
		tr.crash = &elector.CrashDetection{} // and the mounts show no termination log
		tr.start("b")
		tr.server.Client("c").Intercept(func(op leasetest.Op) (f leasetest.Fault) {
			if op.Resource == "pods" {
				f.Err = forbidden
			}
			return f
		})
		tr.start("c")
		a.Partition()
		if err := container.Report(leasetest.Exited(137)); err != nil {
			tr.t.Error(err)
		}
		time.Sleep(time.Minute)
	},
	"step-down": func(tr *trouble) {
		_, e := tr.start("a")
		tr.start("b")
		if err := e.StepDown(tr.t.Context()); err != nil {
			tr.t.Error(err)
		}
		synctest.Wait()
	},
}

// quoted returns the lines of the page's blocks of text.
func quoted(t *testing.T) (lines []string) {
	t.Helper()
	page, err := os.ReadFile("TROUBLESHOOTING.md")
	if err != nil {
		t.Fatal(err)
	}
	inside := false
	for line := range strings.Lines(string(page)) {
		switch line = strings.TrimSpace(line); {
		case strings.HasPrefix(line, "```"):
			inside = line == "```text"
		case inside:
			lines = append(lines, line)
		}
	}
	return lines
}

// pattern matches what a quoted line stands for.
func pattern(line string) *regexp.Regexp {
	text := strings.ReplaceAll(regexp.QuoteMeta(line), "…", ".*")
	return regexp.MustCompile("^" + strings.ReplaceAll(text, ` \.\* `, " .*") + "$")
}

var message = regexp.MustCompile(`msg=("(?:[^"\\]|\\.)*"|\S+)`)

// said reports whether the line's message stands in the source of package manager or shards, whose lines are not logged
// in this test, or whether an error there has the words.
func said(t *testing.T, line string) bool {
	t.Helper()
	words := strconv.Quote(line)
	if found := message.FindStringSubmatch(line); found != nil {
		words = found[1]
	}
	files, err := filepath.Glob("../manager/*.go")
	if err != nil || len(files) == 0 {
		t.Fatal(err)
	}
	for _, file := range append(files, "elector.go", "shards/crashes.go") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(file, "_test.go") && strings.Contains(string(text), words) {
			return true
		}
	}
	return false
}

func TestTheTroubleshootingPageQuotesWhatIsLogged(t *testing.T) {
	var logged []string
	for name, cause := range troubles {
		t.Run(name, func(t *testing.T) {
			tr := &trouble{server: leasetest.NewServer(), work: func(ctx context.Context) { <-ctx.Done() }}
			synctest.Test(t, func(t *testing.T) {
				tr.t = t
				cause(tr)
			})
			logged = append(logged, strings.Split(strings.TrimSpace(tr.log.text.String()), "\n")...)
		})
	}
	lines := quoted(t)
	for _, line := range lines {
		if !slices.ContainsFunc(logged, pattern(line).MatchString) && !said(t, line) {
			t.Errorf("nothing logs this: %s", line)
		}
	}
	for _, line := range logged {
		if found := message.FindStringSubmatch(line); !strings.HasPrefix(line, "level=INFO") && !slices.ContainsFunc(lines, func(l string) bool {
			return pattern(l).MatchString(line)
		}) {
			t.Errorf("the page does not tell of %q: %s", found, line)
		}
	}
	if len(lines) < 20 || len(logged) < 20 {
		t.Errorf("%d lines are quoted, %d were logged", len(lines), len(logged))
	}
}
