// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"maps"
	"testing"

	ctrl "sigs.k8s.io/controller-runtime"
	crmanager "sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/kube-elector/elector/manager"
)

// maker makes the managers of one kind for one behaviour.
type maker struct {
	t         *testing.T
	namespace string
	ours      bool
}

func (m *maker) make(change func(*ctrl.Options)) ctrl.Manager {
	m.t.Helper()
	options := managerOptions(m.t, m.namespace)
	quickly(&options)
	if change != nil {
		change(&options)
	}
	var made ctrl.Manager
	var err error
	if m.ours {
		made, err = manager.New(restConfig, options)
	} else {
		made, err = ctrl.NewManager(restConfig, options)
	}
	if err != nil {
		m.t.Fatal(err)
	}
	return made
}

// leader starts a manager with these runnables and waits until it leads.
func (m *maker) leader(change func(*ctrl.Options), runnables ...crmanager.Runnable) *replica {
	m.t.Helper()
	made := m.make(change)
	mustAdd(m.t, made, runnables...)
	r := start(m.t, made)
	receive(m.t, r.Elected(), "the election")
	return r
}

// standby starts a manager with these runnables beside a leader.
func (m *maker) standby(change func(*ctrl.Options), runnables ...crmanager.Runnable) *replica {
	m.t.Helper()
	m.leader(nil)
	made := m.make(change)
	mustAdd(m.t, made, runnables...)
	return start(m.t, made)
}

// behaviour is something a manager does or not, and what must come out on controller-runtime's and, if a reason is
// given, on ours.
type behaviour struct {
	run     func(m *maker) string
	want    string
	ours    string
	because string
}

func TestManagerBehavesAsControllerRuntimes(t *testing.T) {
	behaviours := maps.Clone(same)
	maps.Copy(behaviours, differences)
	if len(behaviours) != len(same)+len(differences) {
		t.Error("a behaviour cannot be both the same and different")
	}
	for name, b := range behaviours {
		_, differs := differences[name]
		if differs != (b.ours != "" && b.ours != b.want && b.because != "") {
			t.Errorf("%s: a difference, and no other behaviour, has a result and a reason of its own", name)
		}
		for kind, want := range map[string]string{"controller-runtime": b.want, "elector": b.want} {
			ours := kind == "elector"
			if ours && b.ours != "" {
				want = b.ours
			}
			t.Run(name+"/"+kind, func(t *testing.T) {
				t.Parallel()
				if got := b.run(&maker{t, namespace(t), ours}); got != want {
					t.Errorf("%s? %s, want %s", name, got, want)
				}
			})
		}
	}
}

// signal closes the channel when it runs.
func signal(running chan struct{}) crmanager.RunnableFunc {
	return func(ctx context.Context) error {
		close(running)
		<-ctx.Done()
		return nil
	}
}

func came[T any](t *testing.T, from <-chan T) string {
	t.Helper()
	receive(t, from, "what should come")
	return "yes"
}

func cameYet[T any](from <-chan T) string {
	select {
	case <-from:
		return "yes"
	default:
		return "no"
	}
}

func released(namespace string) string {
	if holder(namespace) == "" {
		return "yes"
	}
	return "no"
}
