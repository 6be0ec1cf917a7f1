// SPDX-FileCopyrightText: The elector Authors
// SPDX-License-Identifier: Apache-2.0

// Package english counts habits of style in the comments of Go files.
package english

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"regexp"
	"strings"
)

// Count is what was found in the comments of some files.
type Count struct {
	Sentences int
	Stops     int // colons and semicolons
	Functions int // function comments
	Openings  int // function comments that begin "x is" or "x are"
	Causative int // "has" with an object and a verb, for "makes"
	Links     int // doc links

	Faults []string // the openings and causatives, with their places
}

// PerHundred returns how many of n there are per 100 of all.
func PerHundred(n, all int) float64 {
	if all == 0 {
		return 0
	}
	return 100 * float64(n) / float64(all)
}

// Add adds other to c.
func (c *Count) Add(other Count) {
	c.Sentences += other.Sentences
	c.Stops += other.Stops
	c.Functions += other.Functions
	c.Openings += other.Openings
	c.Causative += other.Causative
	c.Links += other.Links
	c.Faults = append(c.Faults, other.Faults...)
}

// Tree returns the counts of the Go files below the folders. Generated files are left out.
func Tree(tree fs.FS, folders ...string) (Count, error) {
	var total Count
	for _, folder := range folders {
		err := fs.WalkDir(tree, folder, func(name string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || path.Ext(name) != ".go" {
				return err
			}
			text, err := fs.ReadFile(tree, name)
			if err != nil {
				return err
			}
			count, err := File(name, text)
			total.Add(count)
			return err
		})
		if err != nil {
			return total, fmt.Errorf("count style in %s: %w", folder, err)
		}
	}
	return total, nil
}

var (
	sentenceEnd = regexp.MustCompile(`[.!?]["')\]]*(\s|$)`)
	stop        = regexp.MustCompile(`[:;](\s|$)`)
	link        = regexp.MustCompile(`\[\*?[A-Za-z][\w./]*\](?:[^(:]|$)`)
	opening     = regexp.MustCompile(`^\w+ (?:is|are)\b`)
	causative   = regexp.MustCompile(`\b(?:has|have|having) ((?:the|its|a|an|another|any|all|every|each) (?:\w+ ){1,2}|[A-Z]\w* )` +
		`(?:be|begin|build|call|claim|close|come|count|do|end|fail|go|keep|lead|log|look|make|meet|read|record|refuse|report|` +
		`return|run|say|see|send|show|stand|start|stop|take|tell|try|wait|warm|write)\b`)
	// notCausative matches what stands between in "has a way to end" and "has a word that can be".
	notCausative = regexp.MustCompile(`\b(?:to|that|can|may|must|not|and|or|own)\b`)
)

// File returns the counts of one Go file.
func File(name string, text []byte) (Count, error) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, name, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return Count{}, err
	}
	var count Count
	if ast.IsGenerated(file) {
		return count, nil
	}
	fault := func(at token.Pos, kind, sentence string) {
		count.Faults = append(count.Faults, fmt.Sprintf("%s: %s: %s", files.Position(at), kind, sentence))
	}
	for _, group := range file.Comments {
		words := prose(group)
		if words == "" {
			continue
		}
		count.Sentences += max(1, len(sentenceEnd.FindAllString(words, -1)))
		count.Stops += len(stop.FindAllString(words, -1))
		count.Links += len(link.FindAllString(words, -1))
		for _, found := range causative.FindAllStringSubmatch(words, -1) {
			if !notCausative.MatchString(found[1]) {
				count.Causative++
				fault(group.Pos(), "causative", found[0])
			}
		}
	}
	for _, decl := range file.Decls {
		f, ok := decl.(*ast.FuncDecl)
		if !ok || f.Doc == nil {
			continue
		}
		count.Functions++
		if words := prose(f.Doc); opening.MatchString(words) {
			count.Openings++
			fault(f.Pos(), "opening", opening.FindString(words))
		}
	}
	return count, nil
}

// prose returns the words of a comment in one line, without directives, licence headers and code.
func prose(group *ast.CommentGroup) string {
	var words []string
	for line := range strings.Lines(group.Text()) {
		trimmed := strings.TrimSpace(line)
		if strings.HasPrefix(line, "\t") || strings.HasPrefix(line, " ") && strings.HasPrefix(trimmed, "//") ||
			strings.HasPrefix(trimmed, "SPDX-") {
			continue
		}
		words = append(words, strings.Fields(trimmed)...)
	}
	return strings.Join(words, " ")
}
