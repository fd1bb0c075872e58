package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"golang.org/x/term"

	"postseal/internal/steer/probe"
)

// checkSummary is what a check came to.
type checkSummary struct {
	Hosts     int            `json:"hosts"`
	Attention int            `json:"attention"` // hosts that need it
	Endpoints int            `json:"endpoints"`
	OK        int            `json:"ok"` // endpoints by verdict
	Warn      int            `json:"warn"`
	Bad       int            `json:"bad"`
	Verdict   probe.Severity `json:"verdict"`
}

// checkOutput prints reports as they come, and keeps none of them.
type checkOutput struct {
	*app
	many  bool // good hosts get one line
	width int  // of the terminal; zero means that lines are not broken
	junit *junitFile

	// mu guards what follows, and the lines on the terminal.
	mu      sync.Mutex
	sum     checkSummary
	shown   io.Writer // where a line of progress stands; nil for none
	printed bool
}

func (a *app) newCheckOutput(c checking, hosts int) (*checkOutput, error) {
	o := &checkOutput{app: a, many: !a.verbose && (hosts > 1 || c.from != "" || c.all && hosts > 0), sum: checkSummary{Verdict: probe.OK}}
	if a.terminal() {
		o.width = 80
		if file, ok := a.out.(*os.File); ok {
			if w, _, err := term.GetSize(int(file.Fd())); err == nil {
				o.width = max(60, min(w, 110))
			}
		}
	}
	var err error
	if c.junit != "" {
		o.junit, err = newJUnit(c.junit, c.force)
	}
	return o, err
}

// took prints one report.
func (o *checkOutput) took(r probe.Report) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.sum.Hosts++
	if r.Verdict.Attention() {
		o.sum.Attention++
	}
	for _, e := range r.Endpoints {
		o.sum.Endpoints++
		switch e.Verdict {
		case probe.Bad:
			o.sum.Bad++
		case probe.Warn:
			o.sum.Warn++
		default:
			o.sum.OK++
		}
	}
	if r.Verdict == probe.Bad || r.Verdict == probe.Warn && o.sum.Verdict == probe.OK {
		o.sum.Verdict = r.Verdict
	}
	if o.junit != nil {
		if err := o.junit.write(&r); err != nil {
			return err
		}
	}
	o.hide()
	if o.json {
		return o.tookJSON(r)
	}
	var text bytes.Buffer
	o.host(&text, &r)
	if _, err := o.out.Write(text.Bytes()); err != nil {
		return fmt.Errorf("printing: %w", err)
	}
	o.printed = true
	return nil
}

// tookJSON prints a report as an element of the one document: a list of 100,000 must not be held to be printed.
func (o *checkOutput) tookJSON(r probe.Report) error {
	head := ",\n"
	if !o.printed {
		head = "{\"hosts\": [\n"
	}
	text, err := jsonLine(r)
	if err != nil {
		return err
	}
	o.printed = true
	if _, err := fmt.Fprintf(o.out, "%s%s", head, text); err != nil {
		return fmt.Errorf("printing: %w", err)
	}
	return nil
}

func jsonLine(v any) ([]byte, error) {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("printing: %w", err)
	}
	return bytes.TrimRight(text.Bytes(), "\n"), nil
}

// end prints the summary and asks for the exit status.
func (o *checkOutput) end() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.junit != nil {
		if err := o.junit.end(); err != nil {
			return err
		}
	}
	if o.json {
		head := "\n]"
		if !o.printed {
			head = "{\"hosts\": []"
		}
		text, err := jsonLine(o.sum)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(o.out, "%s, \"summary\": %s}\n", head, text); err != nil {
			return fmt.Errorf("printing: %w", err)
		}
	} else if o.sum.Hosts != 1 {
		fmt.Fprintf(o.out, "%s, %s: %d ok, %d warn, %d bad\n", plural(o.sum.Hosts, "host"), plural(o.sum.Endpoints, "endpoint"), o.sum.OK, o.sum.Warn, o.sum.Bad)
	}
	if o.sum.Verdict.Attention() {
		return attention
	}
	return nil
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}

// discard gives up what was not ended.
func (o *checkOutput) discard() {
	if o.junit != nil {
		o.junit.discard()
	}
}

// sayProgress shows how far the check is.
func (o *checkOutput) sayProgress(w io.Writer) {
	o.mu.Lock()
	defer o.mu.Unlock()
	fmt.Fprintf(w, "\r\x1b[Kpostseal: %s looked at, %d with attention", plural(o.sum.Hosts, "host"), o.sum.Attention)
	o.shown = w
}

func (o *checkOutput) clearProgress() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.hide()
}

// hide takes the line of progress away. The caller holds mu.
func (o *checkOutput) hide() {
	if o.shown != nil {
		fmt.Fprint(o.shown, "\r\x1b[K")
		o.shown = nil
	}
}

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
