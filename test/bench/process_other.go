// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package main

import (
	"errors"
	"math"
	"os"
	"syscall"
	"time"
)

// What follows is measured on Linux only.

func dieWithParent() *syscall.SysProcAttr { return nil }

func suspend(*os.Process) error { return errors.ErrUnsupported }

func resume(*os.Process) error { return errors.ErrUnsupported }

func processorTime() time.Duration { return 0 }

func serverTime(string) (time.Duration, error) { return 0, errors.ErrUnsupported }

func residentMemory() float64 { return math.NaN() }
