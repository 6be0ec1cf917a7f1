// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package crash

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

// example is an Instance as one that was found and signed.
var example = Instance{Namespace: "ns", Pod: "pod", UID: uid, Nonce: "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}

func TestAnInstanceTravelsAsText(t *testing.T) {
	i := example
	for _, container := range []string{"", "main"} {
		i.Container = container
		if got, ok := Parse(i.Encode()); !ok || got != i {
			t.Errorf("%#v, %t", got, ok)
		}
	}
	text := i.Encode()
	for _, bad := range []string{
		"", " ", "a b c", text + " ", text + " x", " " + text, text + "\n", strings.Repeat(text, 100), strings.ToUpper(text), text[1:] + "/",
		strings.Replace(text, "ns/", "", 1), strings.Replace(text, "ns/pod", "ns/../pod", 1), strings.Replace(text, "ns", "\xff", 1),
		strings.Replace(text, string(i.Nonce), "", 1), strings.Replace(text, string(i.Nonce), string(i.Nonce[1:]), 1),
	} {
		if got, ok := Parse(bad); ok {
			t.Errorf("%q is read as %#v", bad, got)
		}
	}
}

func TestANonceDoesNotPrint(t *testing.T) {
	i := example
	var text strings.Builder
	fmt.Fprintf(&text, "%v %+v %#v %s %q %v %q", i, i, i, i.Nonce, i.Nonce, &i, i)
	for _, h := range []slog.Handler{slog.NewTextHandler(&text, nil), slog.NewJSONHandler(&text, nil)} {
		slog.New(h).Info("an instance", "instance", i, "nonce", i.Nonce, "pointer", &i)
	}
	if strings.Contains(text.String(), string(i.Nonce)) {
		t.Error(text.String())
	}
}
