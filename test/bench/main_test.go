// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if code, isChild := childMain(); isChild {
		os.Exit(code)
	}
	goleak.VerifyTestMain(m)
}
