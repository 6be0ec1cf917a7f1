// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package replica

import (
	"slices"
	"testing"

	"go.uber.org/goleak"

	"github.com/kube-elector/elector/test/chaos/event"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestTheRegisterRefusesALowerToken(t *testing.T) {
	var events []event.Event
	r, err := NewRegister(func(e event.Event) { events = append(events, e) })
	if err != nil {
		t.Fatal(err)
	}
	c := newRegisterClient(r.Address)
	defer c.CloseIdleConnections()
	for _, token := range []string{"9", "", "10", "9", "10", "nonsense"} {
		if err := c.write("a#1", token); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	var got []event.Kind
	for _, e := range events {
		got = append(got, e.Kind)
	}
	want := []event.Kind{event.Accepted, event.Accepted, event.Accepted, event.Refused, event.Accepted, event.Refused}
	if !slices.Equal(got, want) {
		t.Errorf("the register says %v, want %v", got, want)
	}
}
