// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// processorTime returns what this process has spent so far, in user and system mode.
func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err) // cannot fail
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// serverTime returns what the child processes of that name have spent so far.
func serverTime(name string) (time.Duration, error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0, err
	}
	const tick = time.Second / 100 // USER_HZ, on every Linux that Go runs on
	spent, found := time.Duration(0), false
	for _, file := range stats {
		text, err := os.ReadFile(file) //nolint:gosec // one of /proc's
		if err != nil {
			continue // it has ended
		}
		// The line is "pid (comm) state ppid …", in which utime and stime are the 14th and 15th.
		head, tail, _ := strings.Cut(string(text), ") ")
		fields := strings.Fields(tail)
		if _, comm, _ := strings.Cut(head, "("); comm != name || fields[1] != strconv.Itoa(os.Getpid()) {
			continue
		}
		for _, field := range fields[11:13] {
			ticks, err := strconv.Atoi(field)
			if err != nil {
				return 0, err
			}
			spent += time.Duration(ticks) * tick
		}
		found = true
	}
	if !found {
		return 0, fmt.Errorf("there is no child process %s", name)
	}
	return spent, nil
}

// residentMemory returns this process's, in bytes.
func residentMemory() float64 {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		panic(err) // Linux without /proc
	}
	pages, err := strconv.Atoi(strings.Fields(string(text))[1])
	if err != nil {
		panic(err)
	}
	return float64(pages * os.Getpagesize())
}
