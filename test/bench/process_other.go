// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package main

import (
	"errors"
	"math"
	"time"
)

// What follows is measured on Linux only.

func processorTime() time.Duration { return 0 }

func serverTime(string) (time.Duration, error) { return 0, errors.ErrUnsupported }

func residentMemory() float64 { return math.NaN() }
