// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package history

import (
	"bytes"
	"reflect"
	"testing"
)

func TestAHistoryIsReadAsItWasWritten(t *testing.T) {
	var lines bytes.Buffer
	if err := handover().Write(&lines); err != nil {
		t.Fatal(err)
	}
	got, err := Read(&lines)
	if err != nil || !reflect.DeepEqual(got, handover()) {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := Read(bytes.NewBufferString("{\"at\":1}\n{")); err == nil {
		t.Error("no error for half an event")
	}
}
