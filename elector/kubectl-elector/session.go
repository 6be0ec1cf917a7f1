// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"time"

	"golang.org/x/term"
	"k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// A session is one call of the plugin.
type session struct {
	options *options
	out     io.Writer
	errs    io.Writer
	width   int // of the terminal, 0 if out is none
	colors  bool

	client    kubernetes.Interface
	namespace string
	clock     serverClock
	fixed     time.Time // the time in tests, zero otherwise
}

func newSession(o *options, out, errs io.Writer) *session {
	s := &session{options: o, out: out, errs: errs}
	file, ok := out.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) { //nolint:gosec // a file descriptor fits
		return s
	}
	s.width, s.colors = 80, mayColor()
	if width, _, err := term.GetSize(int(file.Fd())); err == nil && width > 0 { //nolint:gosec // as above
		s.width = width
	}
	return s
}

// now returns the API server's time.
func (s *session) now() time.Time {
	if !s.fixed.IsZero() {
		return s.fixed
	}
	return s.clock.now()
}

// connect finds the cluster and the namespace as kubectl does.
func (s *session) connect() error {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = s.options.kubeconfig
	loader := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &s.options.overrides)
	config, err := loader.ClientConfig()
	if err != nil {
		if clientcmd.IsEmptyConfig(err) {
			return errors.New("no cluster: there is no kubeconfig, or none with a current context; see --kubeconfig and --context")
		}
		return fmt.Errorf("kubeconfig: %w", err)
	}
	if s.namespace, _, err = loader.Namespace(); err != nil {
		return fmt.Errorf("kubeconfig: %w", err)
	}
	if faults := validation.ValidateNamespaceName(s.namespace, false); len(faults) > 0 {
		return usagef("--namespace: %q: is not the name of a namespace: %s", s.namespace, faults[0])
	}
	config.QPS = -1 // a few requests, of which none should wait
	config.UserAgent = "kubectl-elector " + rest.DefaultKubernetesUserAgent()
	config.WarningHandler = rest.NoWarnings{}
	s.clock.watch(config)
	s.client, err = kubernetes.NewForConfig(config)
	return err
}

// open returns the Lease that an argument names, and connects.
func (s *session) open(arg string) (lease string, err error) {
	if lease, err = name(arg); err != nil {
		return "", err
	}
	return lease, s.connect()
}

// name returns the Lease that an argument names: NAME or, as kubectl writes it, lease/NAME.
func name(arg string) (string, error) {
	kind, name, found := strings.Cut(arg, "/")
	switch {
	case !found:
		name = arg
	case kind == "lease", kind == "leases", kind == "lease.coordination.k8s.io", kind == leases:
	default:
		return "", usagef("%q: must be the NAME of a Lease, or lease/NAME; -n names another namespace", arg)
	}
	if faults := validation.NameIsDNSSubdomain(name, false); len(faults) > 0 {
		return "", usagef("%q: is not the name of a Lease: %s", arg, faults[0])
	}
	return name, nil
}

// note prints a remark to standard error, in one line unless there is a terminal.
func (s *session) note(format string, args ...any) {
	width := s.width
	if width == 0 {
		width = math.MaxInt
	}
	for _, line := range wrap(fmt.Sprintf(format, args...), width) {
		fmt.Fprintln(s.errs, line)
	}
}
