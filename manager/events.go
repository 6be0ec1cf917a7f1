// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/tools/record"
)

const (
	// eventSource is the component that the Events name.
	eventSource = "elector"
	// pendingEvents is how many Events may wait for the API server; others are dropped.
	pendingEvents = 32
	// eventTries and eventPause are client-go's.
	eventTries = 12
	eventPause = 10 * time.Second
	// eventTimeout bounds one request.
	eventTimeout = 10 * time.Second
	// lastEvents is how long the Events that wait at the end may take.
	lastEvents = 250 * time.Millisecond
)

// leaseEvents records the Elector's Events in the cluster of the Lease, which may be another than the manager's. It
// uses the core Events API as controller-runtime's own leader election does: the Role that kubebuilder generates allows
// no other.
type leaseEvents struct {
	client  corev1client.EventInterface
	log     *slog.Logger
	pending chan *corev1.Event
	spam    *record.EventCorrelator // client-go's limits
}

var _ events.EventRecorder = (*leaseEvents)(nil)

// newLeaseEvents returns the recorder for the Lease that is reached by given, or else, if that is nil, by cfg. The
// client made of cfg is not that of the Lease: Events must not hold up renewals.
func newLeaseEvents(given kubernetes.Interface, cfg *rest.Config, log *slog.Logger) (*leaseEvents, error) {
	l := &leaseEvents{
		log: log, pending: make(chan *corev1.Event, pendingEvents),
		spam: record.NewEventCorrelatorWithOptions(record.CorrelatorOptions{}),
	}
	if given != nil {
		l.client = given.CoreV1().Events("")
		return l, nil
	}
	client, err := corev1client.NewForConfig(cfg)
	if err != nil {
		return nil, fmt.Errorf("client for Events about the Lease: %w", err)
	}
	l.client = client.Events("")
	return l, nil
}

// Eventf takes an Event in for run to send. It drops the related object and the action, which core Events lack.
func (l *leaseEvents) Eventf(regarding, _ runtime.Object, kind, reason, _, note string, args ...any) {
	lease, ok := regarding.(*corev1.ObjectReference)
	if !ok {
		return
	}
	now := metav1.Now()
	event := &corev1.Event{
		ObjectMeta:     metav1.ObjectMeta{Namespace: lease.Namespace, Name: fmt.Sprintf("%s.%x", lease.Name, now.UnixNano())},
		InvolvedObject: *lease, Type: kind, Reason: reason, Message: fmt.Sprintf(note, args...),
		FirstTimestamp: now, LastTimestamp: now, Count: 1,
		Source: corev1.EventSource{Component: eventSource}, ReportingController: eventSource,
	}
	select {
	case l.pending <- event:
	default:
		l.log.Debug("an Event was dropped: too many wait for the API server", "note", event.Message)
	}
}

// run sends Events until ctx ends, and then for a moment what is left.
func (l *leaseEvents) run(ctx context.Context) {
	last, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(lastEvents, cancel) })()
	for {
		select {
		case event := <-l.pending:
			l.send(ctx, last, event)
			continue
		default:
		}
		select {
		case event := <-l.pending:
			l.send(ctx, last, event)
		case <-ctx.Done():
			if len(l.pending) == 0 {
				return
			}
		}
	}
}

// send tries to record the event until the API server has answered. It tries again until ctx ends, and requests nothing
// after last has ended.
func (l *leaseEvents) send(ctx, last context.Context, event *corev1.Event) {
	result, err := l.spam.EventCorrelate(event)
	if err != nil || result.Skip {
		return
	}
	for range eventTries {
		if err = l.try(last, result); err == nil || errors.As(err, new(*apierrors.StatusError)) || !pause(ctx, eventPause) {
			break
		}
	}
	if err != nil {
		l.log.DebugContext(ctx, "cannot record an Event", "note", event.Message, "err", err)
	}
}

func (l *leaseEvents) try(ctx context.Context, result *record.EventCorrelateResult) error {
	ctx, cancel := context.WithTimeout(ctx, eventTimeout)
	defer cancel()
	var stored *corev1.Event
	err := error(apierrors.NewNotFound(corev1.Resource("events"), result.Event.Name))
	if result.Event.Count > 1 {
		stored, err = l.client.PatchWithEventNamespaceWithContext(ctx, result.Event, result.Patch)
	}
	if apierrors.IsNotFound(err) {
		result.Event.ResourceVersion = ""
		stored, err = l.client.CreateWithEventNamespaceWithContext(ctx, result.Event)
	}
	if err != nil {
		return err
	}
	l.spam.UpdateState(stored)
	return nil
}
