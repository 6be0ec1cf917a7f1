// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
)

// results are the states of specs, by their names.
type results map[string]string

const passed = "passed"

// readReport reads what Ginkgo reports about a suite. Specs of one name are numbered.
func readReport(path string) (results, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var reports []struct {
		SpecReports []struct {
			ContainerHierarchyTexts []string
			LeafNodeType            string
			LeafNodeText            string
			State                   string
		}
	}
	if err := json.Unmarshal(text, &reports); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	found := results{}
	for _, report := range reports {
		for _, spec := range report.SpecReports {
			words := append(slices.Clone(spec.ContainerHierarchyTexts), spec.LeafNodeText)
			if spec.LeafNodeText == "" {
				words = append(words, spec.LeafNodeType)
			}
			name := strings.Join(slices.DeleteFunc(words, func(word string) bool { return word == "" }), ": ")
			unique := name
			for i := 2; found[unique] != ""; i++ {
				unique = fmt.Sprintf("%s (%d)", name, i)
			}
			found[unique] = spec.State
		}
	}
	return found, nil
}

func (r results) count(state string) (n int) {
	for _, is := range r {
		if is == state {
			n++
		}
	}
	return n
}

// compared is a suite's two runs in one way.
type compared struct {
	suite, way   string
	theirs, ours results
}

func (c compared) line() string {
	return fmt.Sprintf("%s, %s: %d of %d specs pass on controller-runtime's managers, %d of %d on managers made by manager.New",
		c.suite, c.way, c.theirs.count(passed), len(c.theirs), c.ours.count(passed), len(c.ours))
}

// faults returns the specs that pass on controller-runtime's managers only, or that were run on one kind only.
func (c compared) faults() (faults []string) {
	fault := func(name, theirs, ours string) {
		faults = append(faults, fmt.Sprintf("%s, %s: %s: %s on controller-runtime's, %s on ours", c.suite, c.way, name, theirs, ours))
	}
	for name, theirs := range c.theirs {
		switch ours, ran := c.ours[name]; {
		case !ran:
			fault(name, theirs, "not run")
		case theirs != ours && ours != passed:
			fault(name, theirs, ours)
		}
	}
	for name, ours := range c.ours {
		if _, ran := c.theirs[name]; !ran {
			fault(name, "not run", ours)
		}
	}
	if c.theirs.count(passed) == 0 {
		faults = append(faults, fmt.Sprintf("%s, %s: no spec passes on controller-runtime's", c.suite, c.way))
	}
	slices.Sort(faults)
	return faults
}

type comparison []compared

func (all comparison) faults() (faults []string) {
	for _, c := range all {
		faults = append(faults, c.faults()...)
	}
	return faults
}
