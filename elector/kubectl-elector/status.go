// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kube-elector/elector/elector/shards"
)

const statusHelp = `Without NAME, the command lists all Leases of the namespace, or of all
namespaces with -A, in one request per 500. Heartbeats of nodes and API servers
are Leases, too, but not elections. They are left out, unless --heartbeats is
set or the namespace is kube-node-lease.

SINCE shows how long the holder has had the Lease, RENEWED how long ago it
renewed it, and LAPSES when others may take it unless it renews before that. A
Lease is "lapsed" if its holder did not renew in time and nobody has taken it,
and "free" if it has no holder. These times come from the clock of the holder's
machine and are compared with the API server's clock. If the clocks differ, the
times are off by as much and may be negative. Elections do not depend on them.

KIND says who writes the Lease: an elector, which says more than others do, a
replica or a shard of an operator with shards, or other, such as client-go.

Columns that do not fit on the terminal are shortened or left out. Use -o wide
to see all, and -o json in scripts.
`

// status executes the command.
func status(ctx context.Context, s *session, args []string) error {
	if len(args) == 0 {
		return s.statusOfAll(ctx)
	}
	lease, err := s.open(args[0])
	if err != nil {
		return err
	}
	return s.statusOfOne(ctx, lease)
}

// statusOfAll lists Leases.
func (s *session) statusOfAll(ctx context.Context) error {
	if err := s.connect(); err != nil {
		return err
	}
	namespace := s.namespace
	if s.options.all {
		namespace = metav1.NamespaceAll
	}
	list, err := leasesOf(ctx, s.client, namespace, "", s.options.heartbeats)
	if err != nil {
		if s.options.all && apierrors.IsForbidden(err) {
			return fmt.Errorf("%w; use -n for a namespace in which you may", err)
		}
		return err
	}
	var policies policies
	if s.options.output != "" {
		policies = policiesOf(ctx, s.client)
	}
	return s.showAll(list, policies, namespace)
}

// showAll prints the Leases of a namespace, or of all if it is "".
func (s *session) showAll(list []coordinationv1.Lease, policies policies, namespace string) error {
	reports := reportsOf(list, s.now())
	hidden := len(reports)
	if !s.options.heartbeats && namespace != nodeNamespace {
		reports = slices.DeleteFunc(reports, func(r report) bool { return r.Kind.heartbeat() })
	}
	hidden -= len(reports)
	slices.SortFunc(reports, func(a, b report) int {
		return strings.Compare(a.Namespace+"/"+a.Name, b.Namespace+"/"+b.Name)
	})
	if s.options.output != "" {
		for i := range reports {
			reports[i].Fencing = policies.of(reports[i].Namespace, reports[i].Name)
		}
		if s.options.output == "json" {
			return s.printJSON(map[string]any{"items": reports})
		}
		if policies.err != nil {
			s.note("FENCING is not known: %s", clean(policies.err.Error()))
		}
	}
	if len(reports) == 0 {
		s.note("No elections found in %s.", place(namespace))
	} else {
		s.tableOf(reports).print(s.out, s.tableWidth(), s.colors)
	}
	s.remark(reports, namespace, hidden)
	return nil
}

// tableWidth returns how wide a table may be, 0 for any width.
func (s *session) tableWidth() int {
	if s.options.output == "wide" {
		return 0
	}
	return s.width
}

func place(namespace string) string {
	if namespace == metav1.NamespaceAll {
		return "any namespace"
	}
	return "namespace " + namespace
}

// remark says what the table does not.
func (s *session) remark(reports []report, namespace string, hidden int) {
	switch {
	case s.options.heartbeats:
	case namespace == metav1.NamespaceAll:
		s.note("Heartbeats of nodes and API servers are left out: see --heartbeats.")
	case hidden > 0:
		s.note("%d heartbeats of nodes or API servers are left out: see --heartbeats.", hidden)
	}
	s.remarkOnClocks(reports)
}

// remarkOnClocks prints a note if clocks visibly differ.
func (s *session) remarkOnClocks(reports []report) {
	if ahead := s.clock.ahead(); ahead != 0 {
		s.note("This machine's clock is %s the API server's, which is used instead.", apart(-ahead))
	}
	for i := range reports {
		if d := reports[i].renewed; d.known && d.d < 0 {
			s.note("The clock of the holder of %q is %s the API server's, and its times are off by that.",
				clean(reports[i].Name), apart(-d.d))
			return
		}
	}
}

// statusOfOne shows all about one Lease.
func (s *session) statusOfOne(ctx context.Context, name string) error {
	lease, err := s.client.CoordinationV1().Leases(s.namespace).Get(ctx, name, metav1.GetOptions{})
	missing := apierrors.IsNotFound(err) && s.options.checkAs != "" // and it may be known why
	if err != nil && !missing {
		return access{"get", leases, s.namespace, name}.failed(err)
	}
	if missing {
		lease = &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: name}}
	}
	r := reportOf(lease, s.now())
	if missing {
		r.State = absent
	}
	if set := lease.Labels[shards.SetLabel]; r.Kind == ofShard && r.State != free {
		if list, err := leasesOf(ctx, s.client, s.namespace, shards.SetLabel+"="+set, false); err == nil {
			for _, of := range reportsOf(list, s.now()) {
				if of.Name == name {
					r = of
				}
			}
		}
	}
	r.Fencing = policiesOf(ctx, s.client).of(s.namespace, name)
	if s.options.checkAs != "" {
		ns, account, err := account(s.options.checkAs, s.namespace)
		if err != nil {
			return err
		}
		if r.Permissions, err = check(ctx, s.client, ns, account, r); err != nil {
			return err
		}
	}
	if s.options.output == "json" {
		if err := s.printJSON(r); err != nil {
			return err
		}
	} else {
		s.printDetails(r)
	}
	if p := r.Permissions; p != nil && len(p.Missing)+len(p.MissingOnPods) > 0 {
		return errNo
	}
	return nil
}

// printJSON prints a value for scripts.
func (s *session) printJSON(value any) error {
	text, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return errors.Join(errors.New("cannot print JSON"), err)
	}
	_, err = fmt.Fprintln(s.out, string(ascii(text)))
	return err
}
