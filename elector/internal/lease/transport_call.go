// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package lease

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"
)

// call is what a request and the transport below client-go tell each other. It travels in the request's context.
type call struct {
	// apart makes the request avoid the connection that the watch uses.
	apart bool
	// retryAfter is the answer's Retry-After in nanoseconds. It is atomic because a request that ignores its context may
	// still run when nobody waits for it any more.
	retryAfter atomic.Int64
}

type callKey struct{}

func (c *call) in(ctx context.Context) context.Context {
	return context.WithValue(ctx, callKey{}, c)
}

// callOf returns the call that ctx carries, or one that nobody looks at.
func callOf(ctx context.Context) *call {
	if c, ok := ctx.Value(callKey{}).(*call); ok {
		return c
	}
	return new(call)
}

// hide takes the Retry-After from an answer and keeps it. client-go would sleep within the request, up to ten times,
// but the candidate that made the request has its own pace.
func (c *call) hide(answer *http.Response) {
	text := answer.Header.Get("Retry-After")
	answer.Header.Del("Retry-After")
	if seconds, err := strconv.ParseInt(text, 10, 32); err == nil && seconds > 0 {
		c.retryAfter.Store(int64(time.Duration(seconds) * time.Second))
	} else if at, err := http.ParseTime(text); err == nil {
		c.retryAfter.Store(int64(max(0, time.Until(at))))
	}
}

// failure returns err with what it lacks: the time within which there was no answer, which HTTP/2 calls "context
// deadline exceeded", and the Retry-After that came with it. A nil err stays nil.
func (c *call) failure(ctx context.Context, err error) error {
	var late LateError
	if errors.Is(err, context.DeadlineExceeded) && errors.As(context.Cause(ctx), &late) {
		if from := (*url.Error)(nil); errors.As(err, &from) {
			err = &url.Error{Op: from.Op, URL: from.URL, Err: late}
		} else {
			err = late
		}
	}
	after := time.Duration(c.retryAfter.Load())
	if err == nil || after == 0 {
		return err
	}
	return &retryAfterError{err, after}
}
