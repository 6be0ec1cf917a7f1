// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package lease

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"testing"
	"time"
)

func TestARequestWithoutAnAnswerSaysHowLongItWaited(t *testing.T) {
	ctx, cancel := context.WithTimeoutCause(t.Context(), 0, LateError(5*time.Second+time.Nanosecond))
	defer cancel()
	<-ctx.Done()
	refusal := errors.New("refused")
	for _, test := range []struct {
		err  error
		want string
	}{
		{&url.Error{Op: "Put", URL: "https://api", Err: ctx.Err()}, `Put "https://api": no answer from the API server within 5s`},
		{ctx.Err(), "no answer from the API server within 5s"},
		{refusal, "refused"},
	} {
		if err := new(call).failure(ctx, test.err); err == nil || err.Error() != test.want {
			t.Errorf("got %v, want %s", err, test.want)
		}
	}
	if err := new(call).failure(ctx, nil); err != nil {
		t.Errorf("no failure became %v", err)
	}
	told := new(call)
	told.hide(&http.Response{Header: http.Header{"Retry-After": {"7"}}})
	var after *retryAfterError
	if err := told.failure(ctx, refusal); !errors.As(err, &after) || after.after != 7*time.Second {
		t.Errorf("the Retry-After is lost: %v", err)
	}
}
