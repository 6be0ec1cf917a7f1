// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package main

import (
	"errors"
	"os"
	"syscall"
)

// What follows is done on Linux only.

func ownGroup() *syscall.SysProcAttr { return nil }

func suspend(*os.Process) error { return errors.ErrUnsupported }

func resume(*os.Process) error { return errors.ErrUnsupported }

func openFiles() int { return -1 }
