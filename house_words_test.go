package postseal_test

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
)

var (
	rfcCited = regexp.MustCompile(`\bRFCs? (\d{3,5})\b`)
	rfcGlued = regexp.MustCompile(`(?:^|[^.\w])RFCs?\d{3,5}\b`) // not time.RFC3339
	rfcLine  = regexp.MustCompile(`^(\d{3,5})  (code|docs)  (\S.*)$`)
)

// rfcIndex compares the citations in Go files with docs/rfc.txt, where a line marked "docs" is cited by documents alone.
func rfcIndex(h *house) (findings []string) {
	const index = "docs/rfc.txt"
	text, missing := h.text(index)
	if missing != nil {
		return missing
	}
	type entry struct {
		line int
		mark string
	}
	listed := map[string]entry{}
	eachLine(text, func(number int, line string) {
		if line == "" || strings.HasPrefix(line, "#") {
			return
		}
		m := rfcLine.FindStringSubmatch(line)
		switch {
		case m == nil:
			findings = append(findings, fmt.Sprintf(`%s:%d: is not "NUMBER  code|docs  TITLE" with two spaces between`, index, number))
		case listed[m[1]].line != 0:
			findings = append(findings, fmt.Sprintf("%s:%d: %s stands at line %d too; keep one", index, number, m[1], listed[m[1]].line))
		default:
			listed[m[1]] = entry{number, m[2]}
		}
	})
	cited := map[string]bool{}
	for _, f := range h.goFiles {
		eachLine(string(f.src), func(number int, line string) {
			for _, m := range rfcCited.FindAllStringSubmatch(line, -1) {
				cited[m[1]] = true
				if listed[m[1]].line == 0 {
					findings = append(findings, fmt.Sprintf("%s:%d: cites RFC %s; add it to %s", f.path, number, m[1], index))
				}
			}
		})
		for _, c := range f.ast.Comments { // in code it may be a word of a protocol or a program
			if m := rfcGlued.FindString(c.Text()); m != "" {
				findings = append(findings, h.at(c.Pos(), "write %q with a space, so that it can be searched", m))
			}
		}
	}
	for number, e := range listed {
		if !cited[number] && e.mark == "code" {
			findings = append(findings, fmt.Sprintf(`%s:%d: no code cites RFC %s; remove the line, or mark it "docs" if a document does`, index, e.line, number))
		}
	}
	slices.Sort(findings)
	return findings
}

// unfinished finds marks of work put off. What is not done is an open issue, or stands in README under "not yet".
func unfinished(h *house) []string {
	return search(h, regexp.MustCompile(`\b(TO`+`DO|FIX`+`ME|X`+`XX)\b`), "is left unfinished; finish it, or say in a document what is not there yet")
}

// machinePlaces finds what is true on one machine only.
func machinePlaces(h *house) []string {
	// Written in halves, or this line would be the first finding.
	places := regexp.MustCompile(`/wo` + `rk/|/root/` + `go|proxy\.go` + `lang|registry\.np` + `m|pypi\.` + `org`)
	return search(h, places, "is a place of one machine or network; leave it to the reader's settings")
}

// search finds pattern in every file that people write.
func search(h *house, pattern *regexp.Regexp, advice string) (findings []string) {
	for _, f := range h.texts {
		if path.Base(f.path) == "go.sum" {
			continue
		}
		eachLine(f.text, func(number int, line string) {
			if m := pattern.FindString(line); m != "" {
				findings = append(findings, fmt.Sprintf("%s:%d: %q %s", f.path, number, m, advice))
			}
		})
	}
	return findings
}

func sameHeadings(h *house) []string {
	english, missing := h.text("README.md")
	if missing != nil {
		return missing
	}
	korean, missing := h.text("README.ko.md")
	if missing != nil {
		return missing
	}
	if e, k := headings(english), headings(korean); !slices.Equal(e, k) {
		return []string{fmt.Sprintf("README.ko.md:1: the levels of its headings are %v, those of README.md %v; translate what changed", k, e)}
	}
	return nil
}

// headings are the levels of a document's headings, in order, without what stands in code.
func headings(markdown string) (levels []int) {
	code := false
	eachLine(markdown, func(_ int, line string) {
		if strings.HasPrefix(line, "```") {
			code = !code
		}
		if marks := strings.TrimLeft(line, "#"); !code && len(marks) < len(line) && strings.HasPrefix(marks, " ") {
			levels = append(levels, len(line)-len(marks))
		}
	})
	return levels
}
