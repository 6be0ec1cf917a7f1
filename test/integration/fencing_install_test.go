// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/kube-elector/elector/manager/fencing"
	"github.com/kube-elector/elector/test/harness"
)

// ownPlane returns an API server that shares no informer with other tests.
func ownPlane(t *testing.T) *rest.Config {
	t.Helper()
	assets, err := harness.Assets()
	if err != nil {
		t.Fatal(err)
	}
	plane := &envtest.Environment{BinaryAssetsDirectory: assets}
	t.Cleanup(func() {
		if err := plane.Stop(); err != nil {
			t.Error(err)
		}
	})
	cfg, err := plane.Start()
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// reinstall removes the objects, until they are out of force, and installs them again. It is what an upgrade by
// deletion does to the API server.
func (o *operator) reinstall(t *testing.T, uninstalled, installed []client.Object, s fencing.Settings) {
	t.Helper()
	for _, object := range uninstalled {
		if err := client.IgnoreNotFound(o.admin.Delete(context.Background(), object.DeepCopyObject().(client.Object))); err != nil {
			t.Fatal(err)
		}
	}
	stranger := o.newPod(t, "stranger")
	eventually(t, "the policies to be out of force", func() bool {
		return stranger.Create(t.Context(), o.configMap("none"), client.DryRunAll) == nil
	})
	if err := fencing.Install(t.Context(), o.admin, installed...); err != nil {
		t.Fatal(err)
	}
	o.awaitForce(t, s)
}

// believes reports whether the API server, a while after a takeover, lets the new holder write and the old one not.
func (o *operator) believes(t *testing.T, holder, former *pod) bool {
	t.Helper()
	// This limit is a thousand times the usual duration.
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if holder.Create(t.Context(), o.configMap("none"), client.DryRunAll) == nil &&
			fencing.IsRefused(former.Create(t.Context(), o.configMap("none"), client.DryRunAll)) {
			return true
		}
	}
	return false
}

// If for a moment no binding has Leases as its parameter, the API server stops watching them for good, and goes by what
// they said then. This is shown with the keeper left out, and that the keeper prevents it.
func TestKeeperSavesFromTheParameterInformersTrap(t *testing.T) {
	for name, keeper := range map[string]bool{"without the keeper": false, "with it": true} {
		t.Run(name, func(t *testing.T) {
			cfg := ownPlane(t)
			o := newOperator(t, cfg, "default", 2)
			o.takeOver(t, o.pods[0])
			s := o.settings(fencing.Holder)
			all, err := fencing.Objects(s)
			if err != nil {
				t.Fatal(err)
			}
			installed := all
			var uninstalled []client.Object
			for _, object := range all {
				if object.GetName() != fencing.KeeperName {
					uninstalled = append(uninstalled, object)
				}
			}
			if !keeper {
				installed = uninstalled
			}
			if err := fencing.Install(t.Context(), o.admin, installed...); err != nil {
				t.Fatal(err)
			}
			o.awaitForce(t, s)
			o.takeOver(t, o.pods[1])
			if !o.believes(t, o.pods[1], o.pods[0]) {
				t.Fatal("the policy does not follow the Lease even before it is removed")
			}
			o.reinstall(t, uninstalled, installed, s)
			o.takeOver(t, o.pods[0])
			if got := o.believes(t, o.pods[0], o.pods[1]); got != keeper {
				t.Errorf("after the policy was gone for a while it follows the Lease: %v, want %v", got, keeper)
			}
		})
	}
}

// edits are what people do to policies and bindings, of any field owner. Each is of the first object that it can be
// done to.
var edits = map[string]struct{ object, patch, path string }{
	"only audits":              {"holder. binding", `{"spec":{"validationActions":["Audit"]}}`, "spec.validationActions"},
	"audits as well":           {"epoch. binding", `{"spec":{"validationActions":["Deny","Audit"]}}`, "spec.validationActions"},
	"another Lease":            {"holder. binding", `{"spec":{"paramRef":{"name":"other"}}}`, "spec.paramRef.name"},
	"fewer namespaces":         {"guard. binding", `{"spec":{"matchResources":{"namespaceSelector":{"matchLabels":{"a":"b"}}}}}`, "spec.matchResources"},
	"failures are ignored":     {"epoch. policy", `{"spec":{"failurePolicy":"Ignore"}}`, "spec.failurePolicy"},
	"a condition":              {"epoch. policy", `{"spec":{"matchConditions":[{"name":"never","expression":"false"}]}}`, "spec.matchConditions"},
	"nothing is refused":       {"guard. policy", `{"spec":{"validations":[{"expression":"true"}]}}`, "spec.validations"},
	"objects are left out":     {"holder. policy", `{"spec":{"matchConstraints":{"objectSelector":{"matchLabels":{"a":"b"}}}}}`, "spec.matchConstraints.objectSelector"},
	"resources are left out":   {"holder. policy", `{"spec":{"matchConstraints":{"excludeResourceRules":[{"apiGroups":["*"],"apiVersions":["*"],"operations":["*"],"resources":["*"]}]}}}`, "spec.matchConstraints.excludeResourceRules"},
	"another variable":         {"holder. policy", `{"spec":{"variables":[{"name":"caller","expression":"'x'"},{"name":"holder","expression":"'x'"}]}}`, "spec.variables"},
	"only this version":        {"epoch. policy", `{"spec":{"matchConstraints":{"matchPolicy":"Exact"}}}`, "spec.matchConstraints.matchPolicy"},
	"the keeper keeps none":    {"keeper. policy", `{"spec":{"paramKind":null}}`, "spec.paramKind"},
	"the keeper's other Lease": {"keeper. binding", `{"spec":{"paramRef":{"name":"other"}}}`, "spec.paramRef.name"},
}

func TestWhatWasEditedIsNotInstalledAndIsRepaired(t *testing.T) {
	o := newOperator(t, restConfig, namespace(t), 1)
	o.takeOver(t, o.pods[0])
	objects := o.install(t, o.settings())
	for name, edit := range edits {
		var object client.Object
		prefix, kind, _ := strings.Cut(edit.object, " ")
		for _, candidate := range objects {
			if _, isBinding := candidate.(*admissionv1.ValidatingAdmissionPolicyBinding); strings.HasPrefix(candidate.GetName(), prefix) && isBinding == (kind == "binding") {
				object = candidate.DeepCopyObject().(client.Object)
			}
		}
		if err := o.admin.Patch(t.Context(), object, client.RawPatch(types.MergePatchType, []byte(edit.patch))); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		err := fencing.Installed(t.Context(), o.admin, objects...)
		if !errors.Is(err, fencing.ErrNotInstalled) || !strings.Contains(err.Error(), object.GetName()+": "+edit.path) || strings.Count(err.Error(), "\n") != 1 {
			t.Errorf("%s: %v, want ErrNotInstalled and only %s", name, err, edit.path)
		}
		if err := fencing.Install(t.Context(), o.admin, objects...); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := fencing.Installed(t.Context(), o.admin, objects...); err != nil {
			t.Errorf("%s, and installed again: %v", name, err)
		}
	}
	err := o.admin.Delete(t.Context(), objects[2].DeepCopyObject().(client.Object))
	if err != nil {
		t.Fatal(err)
	}
	if err := fencing.Installed(t.Context(), o.admin, objects...); !errors.Is(err, fencing.ErrNotInstalled) || !strings.Contains(err.Error(), "does not exist") {
		t.Errorf("a policy was deleted: %v", err)
	}
	if err := o.admin.Patch(t.Context(), objects[3].DeepCopyObject().(client.Object), client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"annotations":{"a":"b"}}}`))); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(fencing.Install(t.Context(), o.admin, objects...), fencing.Installed(t.Context(), o.admin, objects...)); err != nil {
		t.Errorf("installed again, and somebody's annotation: %v", err)
	}
}

func TestUpgradeAndUninstall(t *testing.T) {
	o := newOperator(t, restConfig, namespace(t), 2)
	o.takeOver(t, o.pods[0])
	s := o.settings()
	before := o.install(t, s)
	if err := fencing.Installed(t.Context(), o.admin, before...); err != nil {
		t.Errorf("installed, and: %v", err)
	}
	standby := client.WithFieldOwner(o.pods[1], "always-on")
	if err := standby.Create(t.Context(), o.configMap("a"), client.DryRunAll); !fencing.IsRefused(err) {
		t.Errorf("before the upgrade: %v, want it refused", err)
	}

	s.Exempt = []string{"always-on"}
	after, err := fencing.Objects(s)
	if err != nil {
		t.Fatal(err)
	}
	if err := fencing.Installed(t.Context(), o.admin, after...); !errors.Is(err, fencing.ErrNotInstalled) {
		t.Errorf("other settings are installed, and: %v, want ErrNotInstalled", err)
	}
	if err := fencing.Install(t.Context(), o.admin, after...); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the new settings to be in force", func() bool {
		err := o.pods[1].Create(t.Context(), o.configMap("a"), client.DryRunAll)
		if !fencing.IsRefused(err) {
			t.Fatalf("during the upgrade a standby's write was not refused: %v", err)
		}
		return standby.Create(t.Context(), o.configMap("a"), client.DryRunAll) == nil
	})

	for range 2 { // the second time there is nothing left
		if err := fencing.Uninstall(t.Context(), o.admin, after...); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the policies to be out of force", func() bool {
		return o.pods[1].Create(t.Context(), o.configMap("a"), client.DryRunAll) == nil
	})
	if err := fencing.Installed(t.Context(), o.admin, after[:2]...); err != nil {
		t.Errorf("of the keeper's policy and binding, other operators' too: %v", err)
	}
	if err := fencing.Installed(t.Context(), o.admin, after...); !errors.Is(err, fencing.ErrNotInstalled) {
		t.Errorf("uninstalled, and: %v, want ErrNotInstalled", err)
	}
}
