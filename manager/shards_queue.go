// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"fmt"
	"reflect"
	"time"

	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// A division says which shard a request is in.
type division struct {
	key   func(reconcile.Request) string
	index func(key string) int
}

// shardOf returns the function that tells the shard of a queue's items.
func shardOf[T comparable](d *division) func(T) shard {
	if d == nil {
		return func(T) shard { return everything }
	}
	key := keyOf[T](d)
	return func(item T) shard { return shard(d.index(key(item))) }
}

// keyOf returns the function that tells the key of a queue's items. It must give the same result in every process, so
// items that are neither a reconcile.Request nor a string nor have a method String all have the same key.
func keyOf[T comparable](d *division) func(T) string {
	switch t := reflect.TypeFor[T](); {
	case t == reflect.TypeFor[reconcile.Request]():
		return func(item T) string { return d.key(any(item).(reconcile.Request)) }
	case t.Implements(reflect.TypeFor[fmt.Stringer]()):
		return func(item T) string { return any(item).(fmt.Stringer).String() }
	case t.Kind() == reflect.String:
		return func(item T) string { return reflect.ValueOf(item).String() }
	}
	return func(T) string { return "" }
}

// filtered returns a copy of an event handler that drops the requests of shards that accepts does not accept. It
// reports false if it cannot make one.
//
// A source of controller-runtime gives its informer a handler of a type that cannot be named outside it. The queue is
// one of its fields. A handler of another type is left as it is.
func filtered(h toolscache.ResourceEventHandler, accepts func(shard) bool) (toolscache.ResourceEventHandler, bool) {
	v := reflect.ValueOf(h)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
		return h, false
	}
	copied := reflect.New(v.Elem().Type())
	copied.Elem().Set(v.Elem())
	field := copied.Elem().FieldByName("queue")
	if !field.IsValid() || field.Kind() != reflect.Interface {
		return h, false
	}
	field = reflect.NewAt(field.Type(), field.Addr().UnsafePointer()).Elem() // which may be set, unlike the unexported one
	q, ok := divisible(field.Interface())
	if !ok {
		return h, false
	}
	part := reflect.ValueOf(q.only(accepts))
	if !part.Type().AssignableTo(field.Type()) {
		return h, false
	}
	field.Set(part)
	return copied.Interface().(toolscache.ResourceEventHandler), true
}

// divisibleQueue is a gatedQueue of any type of items.
type divisibleQueue interface {
	// only returns a queue that passes on the items of the shards that accepts accepts.
	only(accepts func(shard) bool) any
}

// divisible finds the gatedQueue in what controller-runtime makes of it.
func divisible(queue any) (divisibleQueue, bool) {
	for queue != nil {
		if q, ok := queue.(divisibleQueue); ok {
			return q, true
		}
		inner := ownField(reflect.Indirect(reflect.ValueOf(queue)), "TypedRateLimitingInterface")
		if !inner.IsValid() || inner.Kind() != reflect.Interface {
			return nil, false
		}
		queue = inner.Interface()
	}
	return nil, false
}

// filteredQueue is what event handlers add to.
type filteredQueue[T comparable] struct {
	*gatedQueue[T]
	accepts func(shard) bool
}

var _ priorityqueue.PriorityQueue[string] = filteredQueue[string]{}

func (q *gatedQueue[T]) only(accepts func(shard) bool) any {
	return workqueue.TypedRateLimitingInterface[T](filteredQueue[T]{q, accepts})
}

func (q filteredQueue[T]) Add(item T) { q.AddWithOpts(priorityqueue.AddOpts{}, item) }

func (q filteredQueue[T]) AddAfter(item T, d time.Duration) {
	q.AddWithOpts(priorityqueue.AddOpts{After: d}, item)
}

func (q filteredQueue[T]) AddRateLimited(item T) {
	q.AddWithOpts(priorityqueue.AddOpts{RateLimited: true}, item)
}

func (q filteredQueue[T]) AddWithOpts(o priorityqueue.AddOpts, items ...T) {
	for _, item := range items {
		if q.accepts(q.shardOf(item)) {
			q.gatedQueue.AddWithOpts(o, item)
		}
	}
}
