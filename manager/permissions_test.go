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

	"github.com/prometheus/client_golang/prometheus/testutil"
	authorizationv1 "k8s.io/api/authorization/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	"sigs.k8s.io/yaml"

	"github.com/kube-elector/elector/elector/leasetest"
)

// permitting returns a clientset whose user may do these things to Leases.
func permitting(verbs ...string) *fake.Clientset {
	clientset := fake.NewClientset()
	clientset.PrependReactor("create", "selfsubjectaccessreviews", func(a clienttesting.Action) (bool, runtime.Object, error) {
		review := a.(clienttesting.CreateAction).GetObject().(*authorizationv1.SelfSubjectAccessReview).DeepCopy()
		asked := review.Spec.ResourceAttributes
		if asked.Namespace != "ns" || asked.Group != "coordination.k8s.io" || asked.Resource != "leases" || (asked.Name == "") != (asked.Verb == "create") {
			return true, nil, errors.New("wrong question")
		}
		review.Status.Allowed = slices.Contains(verbs, asked.Verb)
		return true, review, nil
	})
	clientset.PrependReactor("get", "leases", func(clienttesting.Action) (bool, runtime.Object, error) {
		if slices.Contains(verbs, "get") {
			return false, nil, nil
		}
		return true, nil, apierrors.NewForbidden(coordinationv1.Resource("leases"), "id", errors.New("no"))
	})
	return clientset
}

func synctestRun(t *testing.T, name string, test func(t *testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) { synctest.Test(t, test) })
}

// checkOnce runs a preflight until shortly after its first check.
func checkOnce(t *testing.T, clientset kubernetes.Interface, buffer *logged) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	p := permissions{clientset: clientset, namespace: "ns", name: "id", log: jsonLogger(buffer)}
	p.preflight(ctx)
}

func TestPreflightSaysWhenWhatWasMissingIsGranted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var buffer logged
		var granted atomic.Bool
		clientset := permitting()
		clientset.PrependReactor("create", "selfsubjectaccessreviews", func(a clienttesting.Action) (bool, runtime.Object, error) {
			review := a.(clienttesting.CreateAction).GetObject().(*authorizationv1.SelfSubjectAccessReview).DeepCopy()
			review.Status.Allowed = granted.Load()
			return true, review, nil
		})
		p := permissions{clientset: clientset, namespace: "ns", name: "id", log: jsonLogger(&buffer)}
		done := make(chan struct{})
		go func() {
			defer close(done)
			p.preflight(t.Context())
		}()
		time.Sleep(preflightPeriod + time.Minute)
		granted.Store(true)
		<-done
		var levels []string
		for _, l := range decode(t, buffer.String()) {
			levels = append(levels, l["level"].(string))
		}
		if !slices.Equal(levels, []string{"ERROR", "ERROR", "INFO"}) {
			t.Errorf("want a reminder, the end, and no more:\n%s", buffer.String())
		}
		if n := len(clientset.Actions()); n > 15 {
			t.Errorf("%d requests", n)
		}
	})
}

func TestPreflightSaysInOneLineWhatIsMissing(t *testing.T) {
	lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "id"}}
	for name, test := range map[string]struct {
		allowed []string
		exists  bool
		want    string
	}{
		"all allowed":                    {[]string{"get", "update", "watch", "create"}, false, ""},
		"all but create, and it exists":  {[]string{"get", "update", "watch"}, true, ""},
		"all but create, and it doesn't": {[]string{"get", "update", "watch"}, false, "create"},
		"all but watch":                  {[]string{"get", "update", "create"}, true, "watch"},
		"read only":                      {[]string{"get", "watch"}, true, "update"},
		"nothing":                        {nil, false, "get,update,watch,create"},
	} {
		synctestRun(t, name, func(t *testing.T) {
			clientset := permitting(test.allowed...)
			if test.exists {
				if err := clientset.Tracker().Add(lease); err != nil {
					t.Fatal(err)
				}
			}
			var buffer logged
			checkOnce(t, clientset, &buffer)
			lines := decode(t, buffer.String())
			level := "ERROR"
			if test.want == "watch" {
				level = "WARN"
			}
			for _, verb := range leaseVerbs {
				value := 0.0
				if slices.Contains(strings.Split(test.want, ","), verb) {
					value = 1
				}
				if got := testutil.ToFloat64(missingPermissions.WithLabelValues("ns", "id", verb)); got != value {
					t.Errorf("elector_missing_permissions for %s is %v, want %v", verb, got, value)
				}
			}
			if test.want == "" {
				if len(lines) != 0 {
					t.Fatalf("logged %v, want nothing", lines)
				}
				return
			}
			if len(lines) != 1 {
				t.Fatalf("logged %v, want one line", lines)
			}
			for key, want := range map[string]string{
				"level": level, "verbs": test.want, "resource": "leases.coordination.k8s.io", "namespace": "ns", "name": "id",
			} {
				if lines[0][key] != want {
					t.Errorf("%s is %v, want %v", key, lines[0][key], want)
				}
			}
		})
	}
}

func TestPreflightPrintsTheRoleThatGrantsIt(t *testing.T) {
	var got rbacv1.Role
	if err := yaml.UnmarshalStrict([]byte(role("ns", "id")), &got); err != nil {
		t.Fatal(err)
	}
	if got.Namespace != "ns" || len(got.Rules) != 2 {
		t.Fatalf("%+v", got)
	}
	named, unnamed := got.Rules[0], got.Rules[1]
	if !slices.Equal(named.ResourceNames, []string{"id"}) || !slices.Equal(named.Verbs, []string{"get", "update", "watch"}) {
		t.Errorf("for the Lease: %+v", named)
	}
	if unnamed.ResourceNames != nil || !slices.Equal(unnamed.Verbs, []string{"create"}) {
		t.Errorf("for its making: %+v", unnamed)
	}
}

func TestPreflightWithShardsAsksAboutAllLeases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clientset := fake.NewClientset()
		clientset.PrependReactor("create", "selfsubjectaccessreviews", func(a clienttesting.Action) (bool, runtime.Object, error) {
			review := a.(clienttesting.CreateAction).GetObject().(*authorizationv1.SelfSubjectAccessReview).DeepCopy()
			review.Status.Allowed = review.Spec.ResourceAttributes.Name == "" && review.Spec.ResourceAttributes.Verb != "list"
			return true, review, nil
		})
		var buffer logged
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		p := permissions{clientset: clientset, namespace: "ns", name: "id", shards: true, log: jsonLogger(&buffer)}
		p.preflight(ctx)
		lines := decode(t, buffer.String())
		if len(lines) != 1 || lines[0]["verbs"] != "list" || lines[0]["level"] != "ERROR" {
			t.Fatalf("logged %v", lines)
		}
		var grant rbacv1.Role
		if err := yaml.UnmarshalStrict([]byte(lines[0]["grant"].(string)), &grant); err != nil || len(grant.Rules) != 1 {
			t.Fatalf("%v, %+v", err, grant)
		}
		for _, verb := range shardVerbs {
			if !slices.Contains(grant.Rules[0].Verbs, verb) {
				t.Errorf("the Role lacks %s", verb)
			}
		}
	})
}

// A server that does not answer such questions, or at all, keeps nobody from leading and does not raise a false alarm.
func TestPreflightThatCannotAskRaisesNoAlarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var buffer logged
		checkOnce(t, leasetest.NewServer().Client("a"), &buffer)
		lines := decode(t, buffer.String())
		if len(lines) != 1 || lines[0]["level"] != "DEBUG" || !strings.Contains(lines[0]["err"].(string), "SelfSubjectAccessReview for get") {
			t.Errorf("logged %v, want one DEBUG line", lines)
		}
	})
}
