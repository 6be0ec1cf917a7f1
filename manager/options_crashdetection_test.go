// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	"sigs.k8s.io/yaml"

	"github.com/kube-elector/elector/elector"
)

func TestCrashDetectionBecomesTheElectorsConfig(t *testing.T) {
	given := elector.CrashDetection{TerminationLog: "/log", Grace: time.Second}
	for name, test := range map[string]struct {
		options []Option
		want    *elector.CrashDetection
		fault   string
	}{
		"without":     {nil, nil, ""},
		"by defaults": {[]Option{WithCrashDetection()}, &elector.CrashDetection{}, ""},
		"settings":    {[]Option{WithCrashDetection(given)}, &given, ""},
		"two":         {[]Option{WithCrashDetection(given), WithCrashDetection(given)}, nil, "WithCrashDetection: 2 settings: must be one at most"},
		"bad ones": {[]Option{WithCrashDetection(elector.CrashDetection{TerminationLog: "log"})}, nil,
			`CrashDetection.TerminationLog: "log": must be an absolute path`},
	} {
		var s settings
		for _, option := range test.options {
			option(&s)
		}
		config, err := electorConfig(election(), s)
		got := config.CrashDetection
		switch {
		case test.fault != "":
			if err == nil || !strings.Contains(err.Error(), test.fault) {
				t.Errorf("%s: %v, want %s", name, err, test.fault)
			}
		case err != nil:
			t.Errorf("%s: %v", name, err)
		case (got == nil) != (test.want == nil) || got != nil && (got.TerminationLog != test.want.TerminationLog || got.Grace != test.want.Grace):
			t.Errorf("%s: %+v, want %+v", name, got, test.want)
		}
	}
}

// podsPermitting returns a clientset whose user may do those things to Pods that allowed reports at that time.
func podsPermitting(allowed func(verb string) bool) *fake.Clientset {
	clientset := fake.NewClientset()
	clientset.PrependReactor("create", "selfsubjectaccessreviews", func(a clienttesting.Action) (bool, runtime.Object, error) {
		review := a.(clienttesting.CreateAction).GetObject().(*authorizationv1.SelfSubjectAccessReview).DeepCopy()
		asked := review.Spec.ResourceAttributes
		if asked.Namespace != "pods-ns" || asked.Group != "" || asked.Resource != "pods" || asked.Name != "" {
			return true, nil, errors.New("wrong question")
		}
		review.Status.Allowed = allowed(asked.Verb)
		return true, review, nil
	})
	return clientset
}

func TestPreflightNamesThePermissionsThatCrashDetectionLacks(t *testing.T) {
	t.Setenv("POD_NAMESPACE", "pods-ns")
	for want, verbs := range map[string][]string{"get,watch": nil, "watch": {"get"}, "": {"get", "watch"}} {
		synctest.Test(t, func(t *testing.T) {
			var buffer logged
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			p := permissions{clientset: podsPermitting(func(verb string) bool { return slices.Contains(verbs, verb) }), namespace: "ns", name: "id", log: jsonLogger(&buffer)}
			p.checkPods(ctx)
			lines := decode(t, buffer.String())
			if want == "" {
				if len(lines) != 0 {
					t.Errorf("nothing is missing, and it logged %s", buffer.String())
				}
				return
			}
			if len(lines) != 1 || lines[0]["level"] != "INFO" || lines[0]["verbs"] != want || lines[0]["resource"] != "pods" || lines[0]["namespace"] != "pods-ns" {
				t.Fatalf("want one line about %s:\n%s", want, buffer.String())
			}
			var role rbacv1.Role
			if err := yaml.UnmarshalStrict([]byte(lines[0]["grant"].(string)), &role); err != nil || role.Namespace != "pods-ns" ||
				len(role.Rules) != 1 || !slices.Equal(role.Rules[0].Resources, []string{"pods"}) || !slices.Equal(role.Rules[0].Verbs, podVerbs) {
				t.Errorf("the role %+v, %v", role, err)
			}
		})
	}
}

func TestPreflightLogsThatWhatCrashDetectionLackedIsGranted(t *testing.T) {
	t.Setenv("POD_NAMESPACE", "pods-ns")
	synctest.Test(t, func(t *testing.T) {
		var buffer logged
		var granted atomic.Bool
		clientset := podsPermitting(func(string) bool { return granted.Load() })
		p := permissions{clientset: clientset, namespace: "ns", name: "id", log: jsonLogger(&buffer)}
		done := make(chan struct{})
		go func() {
			defer close(done)
			p.checkPods(t.Context())
		}()
		time.Sleep(time.Minute)
		granted.Store(true)
		<-done
		if lines := decode(t, buffer.String()); len(lines) != 2 || lines[1]["msg"] != "the permissions on Pods that were missing are granted" {
			t.Errorf("logged\n%s", buffer.String())
		}
	})
}
