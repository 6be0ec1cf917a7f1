// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package history

import (
	"sync"

	"github.com/kube-elector/elector/elector"
)

// A Fence is what leaders write to. It refuses a token lower than one it has seen, and takes any write without one. Its
// method may be called concurrently.
type Fence struct {
	mu      sync.Mutex // guards highest
	highest elector.Token
}

// Write calls done in the order of the writes, with whether the Fence takes this one.
func (f *Fence) Write(token elector.Token, done func(ok bool)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	ok := true
	if token != "" && f.highest != "" {
		order, err := token.Compare(f.highest)
		ok = err == nil && order >= 0
	}
	if ok && token != "" {
		f.highest = token
	}
	done(ok)
}
