// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package main

import (
	"math"
	"time"
)

// What follows is measured on Linux only.

func processorTime() time.Duration { return 0 }

func residentMemory() float64 { return math.NaN() }
