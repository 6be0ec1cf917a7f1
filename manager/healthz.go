// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"errors"
	"fmt"
	"net/http"

	"sigs.k8s.io/controller-runtime/pkg/healthz"
)

// AddHealthzCheck adds a liveness check, as controller-runtime's manager does. It refuses the name given to
// [WithHealthzCheck]: the later check of a name replaces the earlier one, and the Elector's would be gone unnoticed.
func (m *Manager) AddHealthzCheck(name string, check healthz.Checker) error {
	if name == m.settings.healthz && name != "" {
		return fmt.Errorf("manager: AddHealthzCheck: %q: is the name of the Elector's check (WithHealthzCheck): choose another", name)
	}
	return m.managed.Manager.AddHealthzCheck(name, check) //nolint:wrapcheck // it is the embedded manager's answer
}

// healthz is the liveness check of the election and of the shards.
func (m *Manager) healthz(r *http.Request) error {
	err := m.elector.Healthz(r)
	if m.shards != nil {
		err = errors.Join(err, m.shards.Healthz(r))
	}
	return err
}
