// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package harness

import (
	"errors"
	"os"
	"syscall"
	"time"
)

func ownGroup() *syscall.SysProcAttr { return nil }

func suspend(*os.Process) error { return errors.ErrUnsupported }

func resume(*os.Process) error { return errors.ErrUnsupported }

// OpenFiles returns -1.
func OpenFiles() int { return -1 }

// ProcessorTime returns 0.
func ProcessorTime() time.Duration { return 0 }
