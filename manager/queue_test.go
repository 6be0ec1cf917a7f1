// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"context"
	"errors"
	"testing"

	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
)

// It would stay there until the next tenure.
func TestNothingIsParkedOnceItsTenureHasBegun(t *testing.T) {
	ts := newTenures()
	q := newGatedQueue(priorityqueue.New[string](""), "", ts)
	defer q.ShutDown()
	if !q.park("before", 0, everything) {
		t.Error("not parked while there is no tenure")
	}
	ts.open(newTenure(t.Context(), everything))
	if q.park("after", 0, everything) {
		t.Error("parked though a tenure has begun since add looked")
	}
}

func TestTenureThatIsClosedEndsItsContextWithTheCause(t *testing.T) {
	ts, ended := newTenures(), errors.New("ended")
	tenure := newTenure(t.Context(), everything)
	ts.open(tenure)
	<-ts.close(tenure, ended)
	if cause := context.Cause(tenure.ctx); cause != ended {
		t.Errorf("the context ended with %v", cause)
	}
}

func TestParkedKeyKeepsItsHighestPriority(t *testing.T) {
	ts := newTenures()
	q := newGatedQueue(priorityqueue.New[string](""), "", ts)
	defer q.ShutDown()
	for _, priority := range []int{1, 5, 3} {
		q.AddWithOpts(priorityqueue.AddOpts{Priority: ptr.To(priority)}, "key")
	}
	ts.open(newTenure(t.Context(), everything))
	if _, priority, _ := q.GetWithPriority(); priority != 5 {
		t.Errorf("handed out with priority %d, want 5", priority)
	}
	q.Done("key")
}

// A priority queue of controller-runtime's would leave what it has in workqueue_depth for ever.
func TestQueueThatIsShutDownIsEmpty(t *testing.T) {
	ts := newTenures()
	q := newGatedQueue(priorityqueue.New[int](t.Name()), "", ts)
	ts.open(newTenure(t.Context(), everything))
	for key := range 100 {
		q.Add(key)
	}
	q.ShutDown()
	if depth := measured(t, "workqueue_depth", t.Name()); depth != 0 {
		t.Errorf("workqueue_depth is %v", depth)
	}
	if added := measured(t, "workqueue_adds_total", t.Name()); added != 100 {
		t.Errorf("workqueue_adds_total is %v", added)
	}
}
