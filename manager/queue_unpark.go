// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

const (
	// flushedFirst is how many parked keys a new tenure's first requests are made of. The inner queue needs tens of
	// milliseconds to take in 100,000, and hands out nothing meanwhile.
	flushedFirst = 16
	// flushedAtOnce is how many keys follow at a time.
	flushedAtOnce = 256
)

type parkedItem[T comparable] struct {
	item     T
	priority int
}

// flush hands the tenure's parked keys to the inner queue. It returns when the first are there.
func (q *gatedQueue[T]) flush(t *tenure) {
	if q.unpark(t, flushedFirst) < flushedFirst {
		return
	}
	t.flushing.Go(func() {
		for n := flushedAtOnce; n == flushedAtOnce; {
			n = q.unpark(t, flushedAtOnce)
		}
	})
}

// unpark hands out some keys of the tenure's shard, and returns how many.
func (q *gatedQueue[T]) unpark(t *tenure, atMost int) int {
	items := q.take(t, atMost)
	for _, p := range items {
		q.add(p.item, p.priority) // which parks them again if the tenure ends meanwhile
	}
	return len(items)
}

func (q *gatedQueue[T]) take(t *tenure, atMost int) []parkedItem[T] {
	q.mu.Lock()
	defer q.mu.Unlock()
	if t.over() {
		return nil
	}
	var items []parkedItem[T]
	keys := q.parked[t.shard]
	for item, priority := range keys {
		if len(items) == atMost {
			break
		}
		items = append(items, parkedItem[T]{item, priority})
		delete(keys, item)
	}
	if len(keys) == 0 {
		delete(q.parked, t.shard) // a map does not shrink
	}
	return items
}
