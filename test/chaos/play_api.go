// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/kube-elector/elector/test/harness"
)

// duplicate is what a log says when two processes with one identity were found.
const duplicate = "another process uses this Identity"

// cloned makes all replicas copies of one process image: they have one nonce, too.
func cloned(int) behaviour { return behaviour{Cloned: true} }

// playTwins is rows 19 and 40.
func playTwins(s *stage) error {
	if err := harness.Pause(s.ctx, 3*s.timing.LeaseDuration); err != nil {
		return err
	}
	found, err := s.says(duplicate)
	if err != nil {
		return err
	}
	s.must(found, "no log says that there are two of one identity")
	old, err := s.reign()
	if err != nil {
		return err
	}
	mark := s.mark()
	if _, err := s.befall(crash, old.pod); err != nil {
		return err
	}
	if next, ok := s.next(mark, 4*s.timing.LeaseDuration); ok {
		s.within("last renewal → the twin leads", next.At.Sub(s.renewed(old.process, next.At)), s.timing.LeaseDuration+slack)
	}
	return nil
}

// playForbidden is rows 20 and 21.
func playForbidden(a ailment) func(*stage) error {
	return func(s *stage) error {
		old, err := s.reign()
		if err != nil {
			return err
		}
		mark := s.mark()
		heal, err := s.befall(a, nil)
		if err != nil {
			return err
		}
		if end, ok := s.ends(mark, old, 4*s.timing.LeaseDuration); ok {
			s.within("last renewal sent → told", end.At.Sub(s.renewed(old.process, end.At)), s.timing.RenewDeadline)
		}
		if err := harness.Pause(s.ctx, s.timing.LeaseDuration); err != nil {
			return err
		}
		mark = s.mark()
		if err := heal(); err != nil {
			return err
		}
		back := time.Now()
		if next, ok := s.next(mark, 8*s.timing.LeaseDuration); ok {
			s.show(figure{What: "restored → leads", Value: max(0, next.At.Sub(back))})
			s.rises(old, next)
		}
		return nil
	}
}

// tokenCache is how long the API server believes a token that it has checked.
const tokenCache = 10 * time.Second

// playRevoked is row 22.
func playRevoked(s *stage) error {
	file := s.file("token")
	if err := s.issue("first", file); err != nil {
		return err
	}
	for _, p := range s.pods {
		p.task.TokenFile = file
	}
	if err := s.raise(); err != nil {
		return err
	}
	old, err := s.reign()
	if err != nil {
		return err
	}
	mark, revoked := s.mark(), time.Now()
	s.note(occurrence{Kind: fault, Detail: "token revoked"})
	if err := s.plane.Admin.CoreV1().Pods(s.space).Delete(s.ctx, "first", metav1.DeleteOptions{GracePeriodSeconds: ptr.To[int64](0)}); err != nil {
		return err
	}
	if end, ok := s.ends(mark, old, tokenCache+2*s.timing.LeaseDuration); ok {
		s.show(figure{What: "revoked → told", Value: end.At.Sub(revoked)})
		s.within("last renewal sent → told", end.At.Sub(s.renewed(old.process, end.At)), s.timing.RenewDeadline)
	}
	mark = s.mark()
	if err := s.issue("second", file); err != nil {
		return err
	}
	back := time.Now()
	if next, ok := s.next(mark, 2*time.Minute); ok {
		s.show(figure{What: "new token → leads", Value: next.At.Sub(back)})
		s.rises(old, next)
	}
	s.note(occurrence{Kind: healed, Detail: "token revoked"})
	return nil
}

// issue writes a token that lasts as long as a Pod of that name.
func (s *stage) issue(name, file string) error {
	core := s.plane.Admin.CoreV1()
	if _, err := core.ServiceAccounts(s.space).Create(s.ctx, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{}); err != nil {
		return err
	}
	pod, err := core.Pods(s.space).Create(s.ctx, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       corev1.PodSpec{ServiceAccountName: name, Containers: []corev1.Container{{Name: "none", Image: "none"}}},
	}, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	token, err := core.ServiceAccounts(s.space).CreateToken(s.ctx, name, &authenticationv1.TokenRequest{
		Spec: authenticationv1.TokenRequestSpec{BoundObjectRef: &authenticationv1.BoundObjectReference{
			Kind: "Pod", APIVersion: "v1", Name: name, UID: pod.UID,
		}},
	}, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	fresh := file + ".new"
	if err := os.WriteFile(fresh, []byte(token.Status.Token), 0o600); err != nil {
		return err
	}
	return os.Rename(fresh, file)
}

// playTooMany is row 23.
func playTooMany(s *stage) error {
	return s.answered("429, Retry-After 5 s", answer{status: http.StatusTooManyRequests, retryAfter: 5 * time.Second})
}

// answered has one of the leader's requests answered so. It may cost one attempt.
func (s *stage) answered(name string, a answer) error {
	old, err := s.reign()
	if err != nil {
		return err
	}
	mark := s.mark()
	if err := s.suffer(ailment{
		name: name,
		inject: func(_ context.Context, _ *stage, p *pod) error {
			p.gateway.next(a)
			return nil
		},
	}, old.pod, 4*s.timing.RetryPeriod); err != nil {
		return err
	}
	s.must(old.pod.gateway.pending() == 0, "%s: nobody asked for it", name)
	if err := s.stays(mark, s.timing.RetryPeriod); err != nil {
		return err
	}
	s.within(name+": longest time between two renewals", s.longestWithout(old.process, mark, time.Now()), 2*s.timing.RetryPeriod+slack)
	return nil
}

// playServerErrors is row 24.
func playServerErrors(s *stage) error {
	whole := `{"kind":"Lease","apiVersion":"coordination.k8s.io/v1","metadata":{"name":"chaos"`
	for _, one := range []struct {
		name string
		answer
	}{
		{"500", answer{status: http.StatusInternalServerError}},
		{"503", answer{status: http.StatusServiceUnavailable}},
		{"504", answer{status: http.StatusGatewayTimeout}},
		{"cut JSON", answer{status: http.StatusOK, body: whole, cut: true}},
		{"broken JSON", answer{status: http.StatusOK, body: whole}},
	} {
		if err := s.answered(one.name, one.answer); err != nil {
			return err
		}
	}
	s.must(s.survived(), "a process has ended")
	return nil
}

// hammering has every replica's controllers wait for the client's limiter.
func hammering(int) behaviour { return behaviour{Hammers: 10} }

// playExhausted is row 25.
func playExhausted(s *stage) error {
	old, err := s.reign()
	if err != nil {
		return err
	}
	mark := s.mark()
	if err := s.stays(mark, 4*s.timing.LeaseDuration); err != nil {
		return err
	}
	s.within("longest time between two renewals", s.longestWithout(old.process, mark, time.Now()), s.timing.RetryPeriod+slack)
	return nil
}

// playTerminating is row 26. As nothing else does it here, the Lease is deleted after its namespace.
func playTerminating(s *stage) error {
	old, err := s.reign()
	if err != nil {
		return err
	}
	s.note(occurrence{Kind: fault, Detail: "namespace terminating"})
	if err := s.plane.Admin.CoreV1().Namespaces().Delete(s.ctx, s.space, metav1.DeleteOptions{}); err != nil {
		return err
	}
	mark, sent := s.mark(), time.Now()
	if _, err := s.befall(deleted, nil); err != nil {
		return err
	}
	if end, ok := s.ends(mark, old, 4*s.timing.LeaseDuration); ok {
		s.within("deleted → told", end.At.Sub(sent), notice)
	}
	before := s.usages()
	window := 3 * s.timing.LeaseDuration
	if err := harness.Pause(s.ctx, window); err != nil {
		return err
	}
	most := 0
	for _, n := range s.sent(before) {
		most = max(most, n)
	}
	s.count("requests of one replica meanwhile", most)
	bound := 4 * int(window/s.timing.RetryPeriod)
	s.must(most <= bound, "a hot loop: %d requests in %v, %d at most", most, window, bound)
	found, err := s.says("being terminated")
	s.must(found, "no log says what is wrong")
	return err
}

// playCancelled is row 32.
func playCancelled(s *stage) error {
	p := s.pods[0]
	for round := range 3 {
		mark := s.mark()
		p.gateway.whenWon(func() {
			s.note(occurrence{Kind: fault, Replica: p.name, Detail: "cancelled while winning"})
			_ = p.signal(syscall.SIGTERM) // It is there: it waits for this reply.
			s.await(s.ctx, mark, startGrace, ofKind(stopping))
		})
		if err := p.start(); err != nil {
			return err
		}
		end, ok := s.await(s.ctx, mark, startGrace, ofKind(exited))
		s.must(ok && strings.HasSuffix(end.Detail, "status 0"), "the process has not ended in good order: %q", end.Detail)
		pairs := 0
		for _, e := range s.since(mark) {
			switch e.Kind {
			case leads:
				pairs++
			case stopped:
				pairs--
				s.must(pairs >= 0, "round %d: OnStoppedLeading without OnStartedLeading", round)
			}
		}
		s.must(pairs == 0, "round %d: %d terms began and did not end", round, pairs)
		l, err := s.plane.Admin.CoordinationV1().Leases(s.space).Get(s.ctx, leaseName, metav1.GetOptions{})
		if err != nil {
			return fmt.Errorf("was it won? %w", err)
		}
		s.must(ptr.Deref(l.Spec.HolderIdentity, "") == "", "round %d: the Lease was not released", round)
	}
	return nil
}
