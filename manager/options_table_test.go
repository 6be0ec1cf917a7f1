// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/client-go/tools/record"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/webhook"
)

// optionsPage has the table of what becomes of ctrl.Options.
const optionsPage = "../examples/over/manager/README.md"

var optionRow = regexp.MustCompile("(?m)^\\| `(\\w+)` \\| (\\w+) \\|")

// The table is right for every field of the controller-runtime that is compiled in.
func TestTheTableOfOptionsIsTrue(t *testing.T) {
	page, err := os.ReadFile(optionsPage)
	if err != nil {
		t.Fatal(err)
	}
	said := map[string]string{}
	for _, row := range optionRow.FindAllStringSubmatch(string(page), -1) {
		if _, twice := said[row[1]]; twice {
			t.Errorf("%s is there twice", row[1])
		}
		said[row[1]] = row[2]
	}
	for _, field := range reflect.VisibleFields(reflect.TypeFor[ctrl.Options]()) {
		if !field.IsExported() {
			continue
		}
		if got := becomes(t, field); said[field.Name] != got {
			t.Errorf("%s: the table says %q, but it is %s", field.Name, said[field.Name], got)
		}
		delete(said, field.Name)
	}
	for name := range said {
		t.Errorf("%s: controller-runtime has no such option", name)
	}
}

// becomes returns what becomes of an option that is set.
func becomes(t *testing.T, field reflect.StructField) string {
	t.Helper()
	without := election()
	reflect.ValueOf(&without).Elem().FieldByIndex(field.Index).SetZero()
	with := without
	value := reflect.ValueOf(&with).Elem().FieldByIndex(field.Index)
	set(t, field.Name, value)
	if inner := reflect.ValueOf(withoutElection(with)).FieldByIndex(field.Index); !inner.IsZero() {
		if !inner.Comparable() || inner.Equal(value) {
			return "honoured"
		}
		return "changed"
	}
	if _, err := electorConfig(with, settings{}); err != nil && strings.Contains(err.Error(), field.Name+": ") {
		return "refused"
	}
	// An option need not change the Config by itself. It may be known by an option of New that it cannot be given with.
	for _, s := range []settings{{}, {keepLease: true}, {clientset: fake.NewClientset()}} {
		then, err := electorConfig(with, s)
		otherwise, err2 := electorConfig(without, s)
		if !reflect.DeepEqual(then, otherwise) || (err == nil) != (err2 == nil) {
			return "mapped"
		}
	}
	return "ignored"
}

// set sets an option to some value that is not the zero value.
func set(t *testing.T, name string, v reflect.Value) {
	t.Helper()
	switch name {
	case "LeaderElectionResourceLockInterface":
		v.Set(reflect.ValueOf(&resourcelock.LeaseLock{}))
	case "WebhookServer":
		v.Set(reflect.ValueOf(webhook.NewServer(webhook.Options{})))
	case "Logger":
		v.Set(reflect.ValueOf(logr.New(funcSink{})))
	case "EventBroadcaster":
		broadcaster := record.NewBroadcaster()
		t.Cleanup(broadcaster.Shutdown)
		v.Set(reflect.ValueOf(broadcaster))
	default:
		if full := reflect.ValueOf(election()).FieldByName(name); !full.IsZero() && name != "LeaderElectionResourceLock" {
			v.Set(full) // a value that the Elector takes
			return
		}
		fill(v)
		if v.IsZero() {
			t.Fatalf("%s: this test cannot set a %v", name, v.Type())
		}
	}
}

// fill sets what it can of v.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString("x")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(1)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
	case reflect.Func:
		v.Set(reflect.MakeFunc(v.Type(), func([]reflect.Value) []reflect.Value { return nil }))
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Field(i).CanSet() {
				fill(v.Field(i))
			}
		}
	}
}
