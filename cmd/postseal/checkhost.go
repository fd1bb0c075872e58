package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"postseal/internal/steer/probe"
)

// host prints a report for people.
func (o *checkOutput) host(w io.Writer, r *probe.Report) {
	findings := r.All()
	if o.many && !r.Verdict.Attention() {
		fmt.Fprintf(w, "%s  %s  %s\n", o.verdict(probe.OK), r.Host, o.inShort(r))
		return
	}
	fmt.Fprintf(w, "%s  %s", o.verdict(r.Verdict), hostOf(r))
	if r.Why != "" {
		fmt.Fprintf(w, "  (%s)", r.Why)
	}
	fmt.Fprintln(w)
	if len(r.Endpoints) > 0 {
		const row = "  %-5s %-14s %-8s %-13s %-10s %-10s %s\n"
		fmt.Fprintf(w, row, "PORT", "SPEAKS", "TLS", "KEY EXCHANGE", "KEY", "ENDS IN", "VERDICT")
		for i := range r.Endpoints {
			e := &r.Endpoints[i]
			fmt.Fprintf(w, row, fmt.Sprint(e.Port), speaks(e), versions(e.Versions), dash(exchanged(e)), dash(keysOf(e)), dash(endsIn(e)), strings.TrimRight(o.verdict(e.Verdict), " "))
		}
	}
	for _, g := range grouped(findings) {
		if g.Severity == probe.Info && o.many {
			continue
		}
		text := g.Text
		if ports := portsOf(g.ports); ports != "" && g.Code != probe.CodeStaleCertificate && g.Code != probe.CodeDifferent {
			text = ports + ": " + text
		}
		o.item(w, g.Severity, text)
		if g.Severity != probe.Info {
			o.item(w, "", "do: "+g.Do)
		}
	}
	fmt.Fprintln(w)
}

// item prints a sentence with a hanging indent; severity is left out in the line below it.
func (o *checkOutput) item(w io.Writer, severity probe.Severity, text string) {
	const indent = 8
	lines := []string{text}
	if o.width > 0 {
		lines = wrapTo(text, o.width-indent)
	}
	for i, line := range lines {
		mark := strings.Repeat(" ", 4)
		if i == 0 && severity != "" {
			mark = o.verdict(severity)
		}
		fmt.Fprintf(w, "  %s  %s\n", mark, line)
	}
}

// verdict is a severity in its colour, four letters wide.
func (o *checkOutput) verdict(s probe.Severity) string {
	colour := map[probe.Severity]string{probe.OK: "green", probe.Warn: "yellow", probe.Bad: "red"}[s]
	return o.paint(colour, string(s)) + strings.Repeat(" ", 4-len(s))
}

// inShort is a good host in a line.
func (o *checkOutput) inShort(r *probe.Report) string {
	if len(r.Endpoints) == 0 {
		for _, f := range r.Findings {
			return f.Text
		}
		return ""
	}
	var ports []uint16
	first := &r.Endpoints[0]
	for i := range r.Endpoints {
		e := &r.Endpoints[i]
		ports = append(ports, e.Port)
		if e.Certificate != nil && (first.Certificate == nil || e.Certificate.NotAfter.Before(first.Certificate.NotAfter)) {
			first = e
		}
	}
	return portsOf(ports) + "  " + "ends in " + endsIn(first)
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// versions is a range: "1.2-1.3".
func versions(list []string) string {
	if len(list) == 0 {
		return "-"
	}
	first, last := strings.TrimPrefix(list[0], "TLS "), strings.TrimPrefix(list[len(list)-1], "TLS ")
	if first == last {
		return first
	}
	return first + "-" + last
}

// keysOf are the kinds of key without their sizes: "ECDSA+RSA".
func keysOf(r *probe.Result) string {
	var kinds []string
	for _, k := range r.KeyTypes {
		kind, _, _ := strings.Cut(k, "-")
		if !slices.Contains(kinds, kind) {
			kinds = append(kinds, kind)
		}
	}
	return strings.Join(kinds, "+")
}

func endsIn(r *probe.Result) string {
	if r.Certificate == nil {
		return ""
	}
	left := int(r.Left().Hours() / 24)
	switch {
	case r.Left() < 0:
		return "ended"
	case left == 0:
		return "today"
	}
	return plural(left, "day")
}

// group is a finding that several endpoints share.
type group struct {
	probe.Finding
	ports []uint16
}

func grouped(findings []probe.Finding) []group {
	var groups []group
	for _, f := range findings {
		i := slices.IndexFunc(groups, func(g group) bool { return g.Code == f.Code && g.Severity == f.Severity && g.Text == f.Text })
		if i < 0 {
			groups = append(groups, group{Finding: f})
			i = len(groups) - 1
		}
		groups[i].ports = append(groups[i].ports, f.Port)
	}
	return groups
}

// wrapTo breaks a text into lines of a width. A word that is longer has a line of its own.
func wrapTo(text string, width int) []string {
	lines := []string{""}
	for word := range strings.FieldsSeq(text) {
		last := &lines[len(lines)-1]
		switch {
		case *last == "":
			*last = word
		case utf8.RuneCountInString(*last)+1+utf8.RuneCountInString(word) > width:
			lines = append(lines, word)
		default:
			*last += " " + word
		}
	}
	return lines
}
