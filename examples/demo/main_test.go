// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"testing"

	"github.com/go-logr/logr"
	"go.uber.org/goleak"
	ctrl "sigs.k8s.io/controller-runtime"
)

// asDemo in the environment makes the test's binary be the demo.
const asDemo = "ELECTOR_TEST_IS_THE_DEMO"

func TestMain(m *testing.M) {
	// A test that starts a control plane starts this binary again, which must not run the tests again.
	if os.Getenv(asDemo) != "" || len(os.Args) > 1 && os.Args[1] == controlPlaneCommand {
		main()
		return
	}
	ctrl.SetLogger(logr.Discard())
	goleak.VerifyTestMain(m)
}
