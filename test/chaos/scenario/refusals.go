// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package scenario

import (
	"net/http"
	"os"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/kube-elector/elector/test/chaos/event"
	"github.com/kube-elector/elector/test/chaos/fault"
	"github.com/kube-elector/elector/test/chaos/stage"
)

// duplicate is what a log says when two processes with one identity were found.
const duplicate = "another process uses this Identity"

// playForbidden returns a scenario in which the leader cannot renew, and then can again.
func playForbidden(f stage.Fault) func(*stage.Stage) {
	return func(s *stage.Stage) {
		old, mark := s.Leader(), s.Mark()
		heal := s.Inject(f, nil)
		s.EndsByDeadline(mark, old)
		s.Pause(s.Timing.LeaseDuration)
		mark = s.Mark()
		heal()
		back := time.Now()
		if next, ok := s.Next(mark, 8*s.Timing.LeaseDuration); ok {
			s.Show(stage.Figure{What: "restored → leads", Value: max(0, next.At.Sub(back))})
			s.Rises(old, next)
		}
	}
}

// tokenCache is how long the API server believes a token that it has checked.
const tokenCache = 10 * time.Second

func playRevoked(s *stage.Stage) {
	file := s.File("token")
	issue(s, "first", file)
	for _, r := range s.Replicas {
		r.Task.TokenFile = file
	}
	s.Raise()
	old, mark, revoked := s.Leader(), s.Mark(), time.Now()
	s.Note(event.Event{Kind: event.Fault, Detail: "token revoked"})
	s.Check(s.Plane.Admin.CoreV1().Pods(s.Namespace).Delete(s.Ctx, "first", metav1.DeleteOptions{GracePeriodSeconds: ptr.To[int64](0)}))
	if end, ok := s.Ends(mark, old, tokenCache+2*s.Timing.LeaseDuration); ok {
		s.Show(stage.Figure{What: "revoked → told", Value: end.At.Sub(revoked)})
		s.Within("last renewal sent → told", end.At.Sub(s.Renewed(old.Process, end.At)), s.Timing.RenewDeadline)
	}
	mark = s.Mark()
	issue(s, "second", file)
	back := time.Now()
	if next, ok := s.Next(mark, 2*time.Minute); ok {
		s.Show(stage.Figure{What: "new token → leads", Value: next.At.Sub(back)})
		s.Rises(old, next)
	}
	s.Note(event.Event{Kind: event.Healed, Detail: "token revoked"})
}

// issue writes a token that is valid as long as a Pod of that name exists.
func issue(s *stage.Stage, name, file string) {
	core := s.Plane.Admin.CoreV1()
	_, err := core.ServiceAccounts(s.Namespace).Create(s.Ctx, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
	s.Check(err)
	pod, err := core.Pods(s.Namespace).Create(s.Ctx, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       corev1.PodSpec{ServiceAccountName: name, Containers: []corev1.Container{{Name: "none", Image: "none"}}},
	}, metav1.CreateOptions{})
	s.Check(err)
	token, err := core.ServiceAccounts(s.Namespace).CreateToken(s.Ctx, name, &authenticationv1.TokenRequest{
		Spec: authenticationv1.TokenRequestSpec{BoundObjectRef: &authenticationv1.BoundObjectReference{
			Kind: "Pod", APIVersion: "v1", Name: name, UID: pod.UID,
		}},
	}, metav1.CreateOptions{})
	s.Check(err)
	s.Check(os.WriteFile(file+".new", []byte(token.Status.Token), 0o600))
	s.Check(os.Rename(file+".new", file))
}

func playTooMany(s *stage.Stage) {
	answered(s, "429, Retry-After 5 s", stage.Answer{Status: http.StatusTooManyRequests, RetryAfter: 5 * time.Second})
}

// answered gives one of the leader's requests an answer, which may cost one attempt.
func answered(s *stage.Stage, name string, a stage.Answer) {
	old, mark := s.Leader(), s.Mark()
	s.Endure(fault.Answering(name, a), old.Of, 4*s.Timing.RetryPeriod)
	s.Must(old.Of.Gateway.Pending() == 0, "%s: no request got this answer", name)
	s.Stays(mark, s.Timing.RetryPeriod)
	s.Within(name+": longest time between two renewals", s.LongestWithout(old.Process, mark, time.Now()), 2*s.Timing.RetryPeriod+stage.Slack)
}

func playServerErrors(s *stage.Stage) {
	whole := `{"kind":"Lease","apiVersion":"coordination.k8s.io/v1","metadata":{"name":"chaos"`
	answered(s, "500", stage.Answer{Status: http.StatusInternalServerError})
	answered(s, "503", stage.Answer{Status: http.StatusServiceUnavailable})
	answered(s, "504", stage.Answer{Status: http.StatusGatewayTimeout})
	answered(s, "cut JSON", stage.Answer{Status: http.StatusOK, Body: whole, Cut: true})
	answered(s, "broken JSON", stage.Answer{Status: http.StatusOK, Body: whole})
	survives(s)
}

func playExhausted(s *stage.Stage) {
	old, mark := s.Leader(), s.Mark()
	s.Stays(mark, 4*s.Timing.LeaseDuration)
	s.Within("longest time between two renewals", s.LongestWithout(old.Process, mark, time.Now()), s.Timing.RetryPeriod+stage.Slack)
}

// playTerminating deletes the Lease after its namespace, since nothing else does it here.
func playTerminating(s *stage.Stage) {
	old := s.Leader()
	s.Note(event.Event{Kind: event.Fault, Detail: "namespace terminating"})
	s.Check(s.Plane.Admin.CoreV1().Namespaces().Delete(s.Ctx, s.Namespace, metav1.DeleteOptions{}))
	mark, sent := s.Mark(), time.Now()
	s.Inject(fault.Deleted, nil)
	if end, ok := s.Ends(mark, old, 4*s.Timing.LeaseDuration); ok {
		s.Within("deleted → told", end.At.Sub(sent), stage.Notice)
	}
	before, window := s.Usages(), 3*s.Timing.LeaseDuration
	s.Pause(window)
	most := 0
	for _, n := range s.Sent(before) {
		most = max(most, n)
	}
	s.Count("requests of one replica meanwhile", most)
	bound := 4 * int(window/s.Timing.RetryPeriod)
	s.Must(most <= bound, "a hot loop: %d requests in %v, %d at most", most, window, bound)
	s.Must(s.Says("being terminated"), "no log names the reason")
}
