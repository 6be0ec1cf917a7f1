// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package integration

import "testing"

// terminalTests need Linux's pseudoterminals.
var terminalTests map[string]func(*testing.T, *plugin)
