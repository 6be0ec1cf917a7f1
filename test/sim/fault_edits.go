// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"sync"
	"sync/atomic"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

// edit does to the Lease what an administrator or another tool does, if that is what the fault is. The result of a
// window ends it.
func (w *world) edit(f Fault) (undo func(), edited bool) {
	name := w.target(f)
	change := func(do func(*coordinationv1.Lease)) { w.server.Edit(namespace, name, do) }
	switch f.Kind {
	case Delete:
		w.server.Delete(namespace, name)
	case Remake, Remodel:
		w.server.Delete(namespace, name)
		w.server.Put(&coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}})
		if f.Kind == Remodel {
			change(func(l *coordinationv1.Lease) {
				l.Spec.LeaseTransitions = ptr.To(ptr.Deref(l.Spec.LeaseTransitions, 0) + 1)
			})
		}
	case Blank:
		change(func(l *coordinationv1.Lease) { l.Spec.HolderIdentity = nil })
	case Stranger:
		change(func(l *coordinationv1.Lease) {
			l.Spec.HolderIdentity, l.Spec.RenewTime = ptr.To("stranger"), ptr.To(metav1.NowMicro())
		})
	case Rubbish:
		change(func(l *coordinationv1.Lease) { rubbish[f.N%len(rubbish)](&l.Spec) })
	case Label:
		change(func(l *coordinationv1.Lease) {
			metav1.SetMetaDataLabel(&l.ObjectMeta, "edited", time.Now().UTC().Format("150405.000000"))
		})
	case Unannotate:
		change(func(l *coordinationv1.Lease) { l.Annotations = nil })
	case EditSpan:
		change(func(l *coordinationv1.Lease) { l.Spec.LeaseDurationSeconds = ptr.To(int32(f.N)) }) //nolint:gosec // small
	case Reapply:
		if old := w.copies.pick(f.N); old != nil {
			w.server.Reapply(old)
		}
	case Compact:
		w.server.Compact()
	case Strip:
		return w.while(&w.strips), true
	case Janitor:
		w.server.Delete(namespace, name)
		return w.while(&w.janitors), true
	default:
		return nil, false
	}
	return nil, true
}

// while counts one more of the windows of a kind until the result is called.
func (w *world) while(n *atomic.Int32) (undo func()) {
	n.Add(1)
	return func() { n.Add(-1) }
}

// admit does what the API server's admission does.
func (w *world) admit(_ string, l *coordinationv1.Lease) error {
	if w.strips.Load() > 0 {
		l.Annotations = nil
	}
	return nil
}

// tidy deletes the Lease, which was just made, as a janitor does that looks every 10 ms.
func (w *world) tidy(name string) {
	if w.janitors.Load() == 0 {
		return
	}
	time.AfterFunc(10*time.Millisecond, func() {
		if w.janitors.Load() > 0 {
			w.server.Delete(namespace, name)
		}
	})
}

// copies holds what a backup has of the Lease, which are the first and the last records of its latest holders.
type copies struct {
	mu  sync.Mutex // guards all
	all []*coordinationv1.Lease
}

func (c *copies) keep(leases ...*coordinationv1.Lease) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, l := range leases {
		if l != nil && ptr.Deref(l.Spec.HolderIdentity, "") != "" {
			c.all = append(c.all, l)
		}
	}
	c.all = c.all[max(0, len(c.all)-len(rubbish)):]
}

func (c *copies) pick(n int) *coordinationv1.Lease {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.all) == 0 {
		return nil
	}
	return c.all[n%len(c.all)]
}
