// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestEveryMutationStillFitsTheCode(t *testing.T) {
	for _, s := range subjects {
		for _, m := range s.mutations {
			source, err := os.ReadFile(filepath.Join("..", "..", "..", s.dir, m.file))
			if err != nil {
				t.Fatal(err)
			}
			broken, err := m.apply(string(source))
			if err != nil {
				t.Errorf("%s: %v", m.name, err)
				continue
			}
			if _, err := parser.ParseFile(token.NewFileSet(), m.file, broken, parser.SkipObjectResolution); err != nil {
				t.Errorf("%s: %v", m.name, err)
			}
		}
	}
}
