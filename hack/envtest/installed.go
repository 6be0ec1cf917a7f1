// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// checkAssets returns an error unless dir, the value of KUBEBUILDER_ASSETS, has the binaries.
func checkAssets(dir string) error {
	if !filepath.IsAbs(dir) {
		return fmt.Errorf("KUBEBUILDER_ASSETS is %q: must be an absolute path, as tests run in many directories", dir)
	}
	var errs []error
	for _, r := range recipes {
		if _, err := executableSize(filepath.Join(dir, r.name)); err != nil {
			errs = append(errs, fmt.Errorf("KUBEBUILDER_ASSETS must be a directory with %s: %w", r.name, err))
		}
	}
	return errors.Join(errs...)
}

// executableSize returns the size in bytes of an executable file.
func executableSize(path string) (int64, error) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	if !info.Mode().IsRegular() || info.Mode()&0o111 == 0 {
		return 0, fmt.Errorf("%s is not an executable file", path)
	}
	return info.Size(), nil
}

// A stamp beside each binary names its build and its size. A truncated binary does not match.

func stampPath(dir, name string) string { return filepath.Join(dir, "."+name+".stamp") }

func stampText(identity string, size int64) string { return fmt.Sprintf("%s %d\n", identity, size) }

// installed reports whether dir has the named binary with one of the identities.
func installed(dir, name string, identities ...string) bool {
	size, err := executableSize(filepath.Join(dir, name))
	if err != nil {
		return false
	}
	stamp, err := os.ReadFile(stampPath(dir, name))
	if err != nil {
		return false
	}
	for _, identity := range identities {
		if string(stamp) == stampText(identity, size) {
			return true
		}
	}
	return false
}

// install moves a finished binary into dir, from the same file system. It removes the stamp first and writes it last.
// If it is interrupted, dir has a whole binary without a stamp, or none.
func install(dir, name, identity, from string) error {
	size, err := executableSize(from)
	if err != nil {
		return err
	}
	if err := os.Remove(stampPath(dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Rename(from, filepath.Join(dir, name)); err != nil {
		return err
	}
	stamp := from + ".stamp"
	if err := os.WriteFile(stamp, []byte(stampText(identity, size)), 0o644); err != nil {
		return err
	}
	return os.Rename(stamp, stampPath(dir, name))
}
