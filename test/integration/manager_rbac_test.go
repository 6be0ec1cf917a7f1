// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	"github.com/kube-elector/elector/manager"
)

// logLines keeps JSON log lines.
type logLines struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (l *logLines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buffer.Write(p)
}

// find returns the fields of the first line whose message contains text.
func (l *logLines) find(text string) map[string]any {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.buffer.String()) {
		var fields map[string]any
		if json.Unmarshal([]byte(line), &fields) == nil && strings.Contains(fields["msg"].(string), text) {
			return fields
		}
	}
	return nil
}

// A replica without permissions logs what is missing. Applied as it is, that makes the replica lead.
func TestPreflightPrintsARoleThatMakesTheReplicaLead(t *testing.T) {
	ns := namespace(t)
	own := rest.CopyConfig(restConfig)
	own.Impersonate = rest.ImpersonationConfig{UserName: "system:serviceaccount:" + ns + ":operator", Groups: []string{"system:authenticated"}}
	var lines logLines
	options := managerOptions(t, ns)
	quickly(&options)
	options.Logger = manager.NewLogr(slog.New(slog.NewJSONHandler(io.MultiWriter(&lines, t.Output()), nil)))
	m, err := manager.New(own, options)
	if err != nil {
		t.Fatal(err)
	}
	a := start(t, m)
	var line map[string]any
	eventually(t, "the line about permissions", func() bool {
		line = lines.find("lacks permissions")
		return line != nil
	})
	if line["level"] != "ERROR" || line["verbs"] != "get,update,watch,create" || line["namespace"] != ns || line["name"] != "lease" {
		t.Errorf("logged %v", line)
	}

	clientset := kubernetes.NewForConfigOrDie(restConfig)
	var role rbacv1.Role
	if err := yaml.UnmarshalStrict([]byte(line["grant"].(string)), &role); err != nil {
		t.Fatal(err)
	}
	if _, err := clientset.RbacV1().Roles(ns).Create(t.Context(), &role, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	binding := &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "operator"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: role.Name},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: ns, Name: "operator"}},
	}
	if _, err := clientset.RbacV1().RoleBindings(ns).Create(context.Background(), binding, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	receive(t, a.Elected(), "the election with the role granted")

	if err := a.stop(t); err != nil {
		t.Errorf("Start: %v", err)
	}
}
