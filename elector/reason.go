// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package elector

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"unicode"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// reasonOf returns the reason of a failure without what differs from one try to the next: ports, times, identifiers,
// all words with a digit.
func reasonOf(err error) string {
	const limit = 1 << 10
	text := err.Error()
	words := strings.FieldsFunc(text[:min(len(text), limit)], func(r rune) bool {
		return unicode.IsSpace(r) || strings.ContainsRune(`"'=,;()[]`, r)
	})
	for i, w := range words {
		if strings.ContainsAny(w, "0123456789") {
			words[i] = "#"
		}
	}
	reason := strings.Join(words, " ")
	if code := statusCode(err); code != 0 {
		return fmt.Sprint(code, " ", reason)
	}
	return reason
}

// statusCode returns the code of the API server's answer, 0 if err is none.
func statusCode(err error) int {
	var status apierrors.APIStatus
	if errors.As(err, &status) {
		return int(status.Status().Code)
	}
	return 0
}

// unreached reports whether a request never got to a server, because there was no connection to send it on. Such a
// request costs the API server nothing.
func unreached(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

// refused reports whether the API server has refused a request for a reason that lasts, such as missing permissions.
func refused(err error) bool {
	switch code := statusCode(err); code {
	case http.StatusRequestTimeout, http.StatusConflict, http.StatusTooManyRequests:
		return false
	default:
		return 400 <= code && code < 500
	}
}
