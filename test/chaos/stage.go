// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kube-elector/elector/test/harness"
)

const (
	roleName   = "chaos-replica"
	startGrace = 40 * time.Second // for processes to start on a busy machine
)

// setup is what a scenario's stage has.
type setup struct {
	replicas  int    // default 3
	timing    timing // default quick
	gateway   bool   // between each link and the API server
	late      bool   // replicas are started by the scenario
	identity  string // of all
	tokenFile string // default: that of the plane
	behaves   func(number int) behaviour
	lasts     func(number int) time.Duration // LeaseDurations; default that of timing
}

// stage is where one scenario is played: a namespace with a Lease, replicas, and all that watches them.
type stage struct {
	*journal
	ctx      context.Context // ends when the stage does
	cancel   context.CancelFunc
	dir      string // of evidence
	peer     string
	plane    *plane
	timing   timing
	space    string
	pods     []*pod
	register *register
	stalls   *stalls
	began    time.Time
	group    sync.WaitGroup

	mu      sync.Mutex // guards all below
	verdict verdict
}

// openStage makes a stage and, unless they are late, has its replicas elect a leader. On error nothing is left running.
func openStage(parent context.Context, p *plane, stalls *stalls, peer, dir string, o setup) (s *stage, err error) {
	s = &stage{journal: newJournal(), dir: dir, peer: peer, plane: p, stalls: stalls, began: time.Now()}
	s.timing = o.timing
	if s.timing == (timing{}) {
		s.timing = quick
	}
	s.ctx, s.cancel = context.WithCancel(parent)
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // Anyone may read it.
		return s, err
	}
	if s.register, err = newRegister(s.note); err != nil {
		return s, err
	}
	if err := s.furnish(); err != nil {
		return s, fmt.Errorf("preparing a namespace: %w", err)
	}
	s.group.Go(func() { witness(s.ctx, p.Admin, s.space, s.note) })
	for i := range cmp.Or(o.replicas, 3) {
		if err := s.addPod(i, o); err != nil {
			return s, err
		}
	}
	if o.late {
		return s, nil
	}
	return s, s.raise()
}

// furnish makes the namespace and what is in it.
func (s *stage) furnish() error {
	ctx, core := s.ctx, s.plane.Admin.CoreV1()
	made, err := core.Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "chaos-"}}, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	s.space = made.Name
	if _, err := core.ConfigMaps(s.space).Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: configMap}}, metav1.CreateOptions{}); err != nil {
		return err
	}
	role := &rbacv1.ClusterRole{
		ObjectMeta: metav1.ObjectMeta{Name: roleName},
		Rules: []rbacv1.PolicyRule{
			{APIGroups: []string{"coordination.k8s.io"}, Resources: []string{"leases"}, Verbs: []string{"get", "list", "watch", "create", "update"}},
			{APIGroups: []string{""}, Resources: []string{"configmaps"}, Verbs: []string{"get", "list", "watch", "patch"}},
			{APIGroups: []string{"", "events.k8s.io"}, Resources: []string{"events"}, Verbs: []string{"create", "patch"}},
		},
	}
	rbac := s.plane.Admin.RbacV1()
	if _, err := rbac.ClusterRoles().Create(ctx, role, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
		return err
	}
	return s.grant(ctx)
}

// grant gives the replicas their permissions.
func (s *stage) grant(ctx context.Context) error {
	_, err := s.plane.Admin.RbacV1().RoleBindings(s.space).Create(ctx, &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: roleName},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: roleName},
		Subjects: []rbacv1.Subject{
			{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: harness.ReplicaUser},
			{APIGroup: rbacv1.GroupName, Kind: rbacv1.GroupKind, Name: "system:serviceaccounts:" + s.space},
		},
	}, metav1.CreateOptions{})
	return err
}

func (s *stage) withdraw(ctx context.Context) error {
	return s.plane.Admin.RbacV1().RoleBindings(s.space).Delete(ctx, roleName, metav1.DeleteOptions{})
}

func (s *stage) addPod(i int, o setup) error {
	p := &pod{stage: s, name: string(rune('a' + i))}
	s.pods = append(s.pods, p)
	server := s.plane.Address
	var err error
	if o.gateway {
		if p.gateway, err = newGateway(s.plane); err != nil {
			return err
		}
		server = p.gateway.listener.Addr().String()
	}
	if p.link, err = harness.NewLink(server); err != nil {
		return err
	}
	p.task = task{
		Peer: s.peer, Identity: o.identity, Host: "https://" + p.link.Address, CAFile: s.plane.CAFile(),
		TokenFile: cmp.Or(o.tokenFile, s.plane.TokenFile()), Namespace: s.space,
		Register: s.register.listener.Addr().String(), Timing: s.timing,
	}
	if o.behaves != nil {
		p.task.behaviour = o.behaves(i)
	}
	if o.lasts != nil {
		p.task.Timing.LeaseDuration = o.lasts(i)
	}
	return nil
}

// raise starts the first replica, and when it leads the others; and waits until all is quiet.
func (s *stage) raise() error {
	for i, p := range s.pods {
		mark := s.mark()
		if err := p.start(); err != nil {
			return err
		}
		if i > 0 {
			continue
		}
		if err := s.expect(mark, startGrace, "replica a to lead", ofKind(leads)); err != nil {
			return err
		}
	}
	for _, p := range s.pods[1:] {
		if err := s.expect(0, startGrace, "replica "+p.name+" to stand by", func(e occurrence) bool {
			return e.Kind == isReady && e.Replica == p.name
		}); err != nil {
			return err
		}
	}
	return s.settle()
}

// expect is await for what has to be, or nothing else can be said.
func (s *stage) expect(mark int, timeout time.Duration, what string, is func(occurrence) bool) error {
	if _, ok := s.await(s.ctx, mark, timeout, is); !ok {
		return errors.Join(fmt.Errorf("waited %v for %s", timeout, what), context.Cause(s.ctx))
	}
	return nil
}

// settle waits until somebody leads and has renewed twice.
func (s *stage) settle() error {
	for deadline := time.Now().Add(startGrace); time.Now().Before(deadline); {
		leader, ok := s.leader()
		if !ok {
			mark := s.mark()
			if _, ok := s.leader(); ok {
				continue
			}
			s.await(s.ctx, mark, time.Second, ofKind(leads))
			if s.ctx.Err() != nil {
				return context.Cause(s.ctx)
			}
			continue
		}
		own := func(e occurrence) bool { return e.Kind == lease && e.Record.Author == leader.String() }
		if s.renewals(own, 2) {
			return nil
		}
	}
	return fmt.Errorf("waited %v for a leader that renews", startGrace)
}

func (s *stage) renewals(own func(occurrence) bool, n int) bool {
	for range n {
		if _, ok := s.await(s.ctx, s.mark(), 2*s.timing.RetryPeriod+time.Second, own); !ok {
			return false
		}
	}
	return true
}

// leader is the process that leads, the latest if there are several.
func (s *stage) leader() (process, bool) {
	all := s.leaders()
	if len(all) == 0 {
		return process{}, false
	}
	return all[len(all)-1], true
}

// leaderPod is the leader's replica. It is an error if nobody leads.
func (s *stage) leaderPod() (*pod, error) {
	leader, ok := s.leader()
	if !ok {
		return nil, errors.New("nobody leads")
	}
	return s.pod(leader.replica), nil
}

func (s *stage) pod(name string) *pod {
	for _, p := range s.pods {
		if p.name == name {
			return p
		}
	}
	return nil
}

// close ends all that the stage has.
func (s *stage) close() error {
	s.cancel()
	var errs []error
	for _, p := range s.pods {
		errs = append(errs, p.close())
	}
	if s.register != nil {
		errs = append(errs, s.register.close())
	}
	s.group.Wait()
	return errors.Join(errs...)
}

// file is the name of a file of evidence.
func (s *stage) file(name string) string { return filepath.Join(s.dir, name) }
