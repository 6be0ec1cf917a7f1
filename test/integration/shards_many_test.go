// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"fmt"
	"net/http"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"k8s.io/client-go/rest"
)

// verbs counts requests by method.
type verbs struct {
	mu sync.Mutex // guards n
	n  map[string]int
}

func (v *verbs) count(method string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.n[method]++
}

// take returns the requests since the last call.
func (v *verbs) take() map[string]int {
	v.mu.Lock()
	defer v.mu.Unlock()
	n := v.n
	v.n = map[string]int{}
	return n
}

// usage returns the CPU time of this process and its heap.
func usage(t *testing.T) (cpu time.Duration, heap uint64) {
	t.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		t.Fatal(err)
	}
	var memory runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&memory)
	return time.Duration(used.Utime.Nano() + used.Stime.Nano()), memory.HeapAlloc
}

// measureMany measures what sixteen replicas of 1,024 shards cost in one process.
func measureMany(t *testing.T) {
	const n, replicas, window = 1024, 16, 2 * time.Minute
	counted := &verbs{n: map[string]int{}}
	config := rest.CopyConfig(restConfig)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return &forward{counted, next}
	})
	s := &sharers{t: t, config: config, namespace: namespace(t), n: n, owner: map[int]string{}, ended: map[int]time.Time{}}
	_, before := usage(t)
	began := time.Now()
	for i := range replicas {
		s.join(fmt.Sprint("r", i))
	}
	s.balanced(replicas)
	t.Logf("N=%d, R=%d: balanced after %v, with %v requests", n, replicas, time.Since(began).Round(time.Millisecond), counted.take())
	time.Sleep(5 * time.Second) // what is left to log and to watch
	counted.take()
	cpu, _ := usage(t)
	began = time.Now()
	time.Sleep(window)
	after, heap := usage(t)
	sent, minutes := counted.take(), time.Since(began).Minutes()
	puts, gets := float64(sent[http.MethodPut])/minutes/replicas, float64(sent[http.MethodGet])/minutes/replicas
	t.Logf("N=%d, R=%d, at rest: per replica %.1f PUT/min, %.1f GET/min, %.2f MiB of heap, %.2f %% of a core",
		n, replicas, puts, gets, (float64(heap)-float64(before))/replicas/(1<<20), 100*(after-cpu).Minutes()/minutes/replicas)
	if puts > 32 || gets > 1 {
		t.Errorf("%.1f PUT/min and %.1f GET/min of each replica, want 32 and none but a watch that is opened again", puts, gets)
	}
}

// forward counts requests and passes them on.
type forward struct {
	counted *verbs
	next    http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (f *forward) RoundTrip(r *http.Request) (*http.Response, error) {
	f.counted.count(r.Method)
	return f.next.RoundTrip(r)
}
