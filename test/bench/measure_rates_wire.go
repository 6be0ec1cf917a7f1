// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"strconv"
	"strings"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	coordinationv1client "k8s.io/client-go/kubernetes/typed/coordination/v1"
)

// A wire carries a real clientset's requests about Leases to one in memory, so that all that a clientset does by
// itself, such as waiting for a Retry-After and trying again, is there in virtual time, too.
type wire struct{ server kubernetes.Interface }

// RoundTrip implements http.RoundTripper.
func (w wire) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		defer func() { _ = r.Body.Close() }()
	}
	_, place, found := strings.Cut(r.URL.Path, "/apis/coordination.k8s.io/v1/namespaces/")
	namespace, rest, _ := strings.Cut(place, "/")
	if !found || !strings.HasPrefix(rest, "leases") {
		return replyOf(r, nil, fmt.Errorf("%s is not served", r.URL.Path))
	}
	leases := w.server.CoordinationV1().Leases(namespace)
	if r.URL.Query().Has("watch") {
		return watchOf(r, leases)
	}
	var sent coordinationv1.Lease
	if r.Method != http.MethodGet {
		if err := json.NewDecoder(r.Body).Decode(&sent); err != nil {
			return nil, err
		}
	}
	var got *coordinationv1.Lease
	var err error
	switch r.Method {
	case http.MethodGet:
		got, err = leases.Get(r.Context(), path.Base(rest), metav1.GetOptions{})
	case http.MethodPost:
		got, err = leases.Create(r.Context(), &sent, metav1.CreateOptions{})
	case http.MethodPut:
		got, err = leases.Update(r.Context(), &sent, metav1.UpdateOptions{})
	default:
		err = fmt.Errorf("%s is not served", r.Method)
	}
	return replyOf(r, got, err)
}

// replyOf returns what the API server would answer. An error that is none of the API's is one of the transport.
func replyOf(r *http.Request, lease *coordinationv1.Lease, err error) (*http.Response, error) {
	if err == nil {
		return response(r, http.StatusOK, lease)
	}
	var failure *apierrors.StatusError
	if !errors.As(err, &failure) {
		return nil, err
	}
	status := failure.Status()
	reply, err := response(r, int(status.Code), &status)
	if err == nil && status.Details != nil && status.Details.RetryAfterSeconds > 0 {
		reply.Header.Set("Retry-After", strconv.Itoa(int(status.Details.RetryAfterSeconds)))
	}
	return reply, err
}

// encode returns the object with its kind, which objects have on the wire and not in memory.
func encode(object runtime.Object) ([]byte, error) {
	return runtime.Encode(scheme.Codecs.LegacyCodec(coordinationv1.SchemeGroupVersion), object)
}

func response(r *http.Request, code int, object runtime.Object) (*http.Response, error) {
	text, err := encode(object)
	return answer(r, code, io.NopCloser(bytes.NewReader(text))), err
}

func answer(r *http.Request, code int, body io.ReadCloser) *http.Response {
	header := http.Header{"Content-Type": {runtime.ContentTypeJSON}}
	return &http.Response{StatusCode: code, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: header, Body: body, Request: r}
}

// watchOf answers with a stream of events, which ends with the reader.
func watchOf(r *http.Request, leases coordinationv1client.LeaseInterface) (*http.Response, error) {
	query := r.URL.Query()
	seconds, err := strconv.ParseInt(cmp.Or(query.Get("timeoutSeconds"), "0"), 10, 64)
	if err != nil {
		return nil, err
	}
	options := metav1.ListOptions{
		FieldSelector: query.Get("fieldSelector"), ResourceVersion: query.Get("resourceVersion"),
		AllowWatchBookmarks: query.Get("allowWatchBookmarks") == "true",
	}
	if seconds > 0 {
		options.TimeoutSeconds = &seconds
	}
	stream, err := leases.Watch(r.Context(), options)
	if err != nil {
		return replyOf(r, nil, err)
	}
	reader, writer := io.Pipe()
	go func() { // ends with the stream, which ends with the request
		defer stream.Stop()
		out := json.NewEncoder(writer)
		for e := range stream.ResultChan() {
			object, err := encode(e.Object)
			if err != nil || out.Encode(metav1.WatchEvent{Type: string(e.Type), Object: runtime.RawExtension{Raw: object}}) != nil {
				break
			}
		}
		_ = writer.Close()
	}()
	return answer(r, http.StatusOK, streamBody{reader, stream.Stop}), nil
}

// streamBody stops the stream when the reader closes it.
type streamBody struct {
	*io.PipeReader
	stop func()
}

func (b streamBody) Close() error {
	b.stop()
	return b.PipeReader.Close()
}

// CloseIdleConnections does nothing. client-go expects it of a transport.
func (wire) CloseIdleConnections() {}
